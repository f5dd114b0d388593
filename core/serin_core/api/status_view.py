"""The status as users see it in the cluster: short enough for `kubectl describe`.

The view is derived from the whole status, which is packed into its field `operatorState`. Only that field is read
back, so that editing the view by hand changes nothing.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

STATE: Final = "operatorState"
HISTORY_SHOWN: Final = 5
MAX_STATE_BYTES: Final = 4_000_000
_PLAIN: Final = ("phase", "observedGeneration", "conditions")
"""Fields that the view holds in full."""

Json = dict[str, Any]


class ViewModel(BaseModel):
    """Base of all parts of the view: camelCase in JSON, other fields of the whole status are dropped."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, serialize_by_alias=True
    )


class NamedRun(ViewModel):
    """A run."""

    run_id: str = Field(alias="runID", description="Name of the run.")


class ServedRunView(NamedRun):
    """A promoted run."""

    digest: str = Field(description="The sha256 of its manifest.")
    since: str = Field(description="Time at which it became stable or previous.")


class CandidateView(NamedRun):
    """The run being rolled out, or the last one that was rolled back or refused."""

    digest: str | None = Field(None, description="The sha256 of its manifest, once the pods have reported it.")
    state: str = Field(description="Draining, Loading, Running, RolledBack or Refused.")
    reason: str | None = Field(None, description="Why it is RolledBack or Refused.")
    percent: float = Field(0, description="Percent of users that it may serve.")
    stage: int | None = Field(None, description="Routing revision at which the stage began.")
    stage_started_at: str | None = Field(None, description="Time at which every pod had confirmed the stage.")
    attempt: int = Field(1, description="Number of this attempt to roll the run out.")
    proven_at: str | None = Field(None, description="Time at which it was proven at a cap below 100 percent.")


class RejectedView(NamedRun):
    """A run that was rolled back: it is rolled out again only on request (`kubectl serin retry`)."""

    reason: str = Field(description="Why it was rolled back.")


class PropagationView(ViewModel):
    """The routing that was decided, and how many pods serve it."""

    revision: int = Field(0, description="Revision of the routing document; it only grows.")
    confirmed: bool = Field(default=False, description="Whether every pod has confirmed it.")
    pods: str = Field("0/0", description="Number of pods that serve it, of all.")


class RequestView(ViewModel):
    """A manual request, and its result."""

    action: str = Field(description="promote, promote-full, abort, undo or retry.")
    value: str = Field(description="Value of the annotation.")
    answer: str = Field(description="Result of the request.")
    at: str = Field(description="Time of the answer.")


class ConditionView(ViewModel):
    """A condition as defined by the Kubernetes API conventions."""

    type: str = Field(description="Ready, Reconciling, Stalled, Available or ShadowForced.")
    status: str = Field(description="True, False or Unknown.")
    reason: str = Field(description="Reason of the status, one word in CamelCase.")
    message: str = Field("", description="Explanation for users.")
    observed_generation: int = Field(0, description="Generation of the spec that was observed.")
    last_transition_time: str = Field(description="Time of the last change of its status.")


class StatusView(ViewModel):
    """Observed state of a SuggestionModel. `kubectl serin status NAME -o yaml` shows all details."""

    phase: str = Field("Pending", description="State in one word, for display only.")
    observed_generation: int = Field(0, description="Generation of the spec that was last observed.")
    stable: ServedRunView | None = Field(None, description="The stable run; absent while the rules serve all users.")
    previous: ServedRunView | None = Field(None, description="The stable run before it, still loaded.")
    candidate: CandidateView | None = Field(
        None, description="The run being rolled out, or the last one that was rolled back or refused."
    )
    rejected: tuple[RejectedView, ...] | None = Field(None, description="Runs that were rolled back.")
    pod_runs: tuple[NamedRun, ...] | None = Field(None, description="Runs that the pod template loads.")
    former_pod_runs: tuple[NamedRun, ...] | None = Field(None, description="Runs of the template before.")
    gates: tuple[str, ...] | None = Field(None, description="Gates of the current stage, one line each.")
    propagation: PropagationView = Field(PropagationView(), description="The routing that was decided.")
    history: tuple[str, ...] | None = Field(None, description="The last transitions, newest last, one line each.")
    handled_requests: tuple[RequestView, ...] | None = Field(None, description="The last manual request.")
    conditions: tuple[ConditionView, ...] = Field(
        (),
        description="Ready, Reconciling, Stalled, Available.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    operator_state: str | None = Field(
        None, description="Everything that the operator decides by, as compressed JSON. Do not edit it."
    )


def condensed(status: Json) -> Json:
    """Return the view of a whole status, with that status packed into `operatorState`."""
    shown = {key: value for key, value in status.items() if value != []} | {
        "gates": [_gate(gate) for gate in status.get("gates", ())] or None,
        "history": [_entry(entry) for entry in status.get("history", ())][-HISTORY_SHOWN:] or None,
        "handledRequests": status.get("handledRequests", [])[-1:] or None,
        STATE: _packed({key: value for key, value in status.items() if key not in _PLAIN}),
    }
    view = StatusView.model_validate(shown).model_dump(mode="json", exclude_none=True)
    candidate = view.get("candidate", {})
    if not candidate.get("reason", "-"):
        del candidate["reason"]
    return view


def expanded(status: Mapping[str, Any]) -> Json:
    """Return the whole status of a view; any other status as it is. Raises ValueError where it cannot be unpacked."""
    packed = status.get(STATE)
    if packed is None:
        return dict(status)
    whole = {key: status[key] for key in _PLAIN if key in status} | _unpacked(packed)
    return {key: value for key, value in whole.items() if key != STATE}


def _packed(state: Json) -> str:
    text = json.dumps(state, separators=(",", ":"), sort_keys=True)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _unpacked(packed: Any) -> Json:
    try:
        decompressor = zlib.decompressobj()
        text = decompressor.decompress(base64.b64decode(packed, validate=True), MAX_STATE_BYTES)
        found = json.loads(text)
    except (TypeError, ValueError, binascii.Error, zlib.error) as error:
        raise ValueError(f"{STATE} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{STATE} cannot be read: it is no JSON object")  # noqa: TRY004 - pydantic reports a ValueError
    return found


def _gate(gate: Mapping[str, Any]) -> str:
    role = {"FailOnly": " (can only fail)", "DryRun": " (dry run)"}.get(gate.get("role", ""), "")
    numbers = f"{100 * gate['estimate']:.1f} % of {gate['total']:g}" if gate.get("total") else gate["reason"]
    return f"{gate['name']}{role}: {gate['verdict']}, {numbers}"


def _entry(entry: Mapping[str, Any]) -> str:
    run = f" {entry['runID']}" if entry.get("runID") else ""
    return f"{entry['at'][:19]}Z{run} {entry['event']}: {entry['message']}"
