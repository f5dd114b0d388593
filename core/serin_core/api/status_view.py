"""The status as it is written to the cluster: short enough for `kubectl describe`.

The view is derived from the whole status, which is packed into its field `operatorState`. Only that field is read
back, so that editing the view by hand changes nothing.
"""

from collections.abc import Mapping
from types import GenericAlias
from typing import Any, Final

from pydantic import Field, create_model

from serin_core.api.base import Json, StatusModel, shortened
from serin_core.api.packing import STATE, packed
from serin_core.api.status import Candidate, HandledRequest, Propagation, RejectedRun, RunInUse, Status, TemplateRun
from serin_core.api.supervision import Supervision

HISTORY_SHOWN: Final = 5
ENTRY_SHOWN: Final = 1000
"""Characters of an entry of the history that are shown."""


def _part(model: type[StatusModel], *names: str, **others: Any) -> Any:
    """Return a model with some fields of another, and with `others` instead or besides."""
    fields: dict[str, Any] = {name: (model.model_fields[name].annotation, model.model_fields[name]) for name in names}
    return create_model(f"{model.__name__}View", __base__=StatusModel, __doc__=model.__doc__, **fields, **others)


def _several(kind: Any) -> Any:
    return GenericAlias(tuple, (kind, ...))


def _optional(kind: Any, name: str) -> tuple[Any, Any]:
    return kind | None, Field(None, description=Status.model_fields[name].description)


_Served = _part(RunInUse, "run_id", "digest", "since")
_Candidate = _part(
    Candidate,
    "run_id",
    "digest",
    "state",
    "reason",
    "skips_trial",
    "stage",
    "stage_started_at",
    "attempt",
    "proven_at",
    "pause",
    "hold",
    "bake",
    percent=(float, Field(0, description="Percent of users that it serves.")),
    step=(
        float | None,
        Field(
            None, description="Step that it has reached, in percent of users, where fewer are served (bake.holdback)."
        ),
    ),
)
_Run = _part(TemplateRun, "run_id")

StatusView: type[StatusModel] = _part(
    Status,
    "phase",
    "observed_generation",
    "replicas",
    "selector",
    "trial",
    serving=(str | None, Field(None, description="Run that serves all users outside the canary; (rules) if none.")),
    percent=(float | None, Field(None, description="Percent of users that the candidate serves, or the stable run.")),
    stable=_optional(_Served, "stable"),
    previous=_optional(_Served, "previous"),
    earlier=_optional(_several(_Served), "earlier"),
    candidate=_optional(_Candidate, "candidate"),
    rejected=_optional(_several(_part(RejectedRun, "run_id", "reason")), "rejected"),
    pod_runs=_optional(_several(_Run), "pod_runs"),
    former_pod_runs=_optional(_several(_Run), "former_pod_runs"),
    gates=(tuple[str, ...] | None, Field(None, description="Gates of the current stage, one line each.")),
    checks=(tuple[str, ...] | None, Field(None, description="Checks before the next step, one line each.")),
    actual_share=(str | None, Field(None, description="What the candidate really served in the current stage.")),
    propagation=_optional(_part(Propagation, "revision", "confirmed", "pods"), "propagation"),
    supervision=_optional(_part(Supervision, "until", "pods", "seconds"), "supervision"),
    history=(tuple[str, ...] | None, Field(None, description="The last transitions, newest last, one line each.")),
    handled_requests=(
        tuple[HandledRequest, ...] | None,
        Field(None, description="The last manual request and its result."),
    ),
    conditions=(Status.model_fields["conditions"].annotation, Status.model_fields["conditions"]),
    operator_state=(str | None, Field(None, description="The whole status as compressed JSON. Do not edit it.")),
)
StatusView.__doc__ = "Observed state of a SuggestionModel. `kubectl serin status NAME -o yaml` shows all details."


def condensed(status: Status) -> Json:
    """Return the JSON of `status` in the API server: the view, with the whole status packed into it."""
    whole = status.model_dump(mode="json", exclude_none=True)
    shown = {key: value for key, value in whole.items() if value not in ([], "")} | {
        "serving": "(rules)" if status.stable is None else status.stable.run_id,
        "percent": _percent(status),
        "candidate": _candidate(status, whole.get("candidate")),
        "actualShare": _actual_share(status),
        "supervision": whole["supervision"] if "until" in whole["supervision"] else None,
        "gates": [_gate(gate) for gate in whole["gates"]] or None,
        "checks": [_check(check) for check in whole["checks"]] or None,
        "history": [_entry(entry) for entry in whole["history"]][-HISTORY_SHOWN:] or None,
        "handledRequests": whole["handledRequests"][-1:] or None,
        STATE: packed(whole),
    }
    return StatusView.model_validate(shown).model_dump(mode="json", exclude_none=True)


def _candidate(status: Status, whole: Json | None) -> Json | None:
    candidate = status.candidate
    if candidate is None or whole is None:
        return None
    served = candidate.served_percent
    return whole | {"percent": served, "step": None if served == candidate.percent else candidate.percent}


def _percent(status: Status) -> float:
    """Return the percent of users that the newest run serves: the candidate; without one, the stable run."""
    if status.candidate is not None:
        return status.candidate.served_percent
    return 0.0 if status.stable is None else 100.0


def _actual_share(status: Status) -> str | None:
    share = status.actual_share
    return None if status.rollout is None or share is None else share.describe()


def _gate(gate: Mapping[str, Any]) -> str:
    role = {"FailOnly": " (can only fail)", "DryRun": " (dry run)"}.get(gate["role"], "")
    query = gate.get("query")
    if query is not None:
        shown = gate["reason"] if query.get("value") is None else f"{query['value']:g}"
        return f"{gate['name']}{role}: {gate['verdict']}, {shown} (checked, not statistically tested)"
    numbers = f"{100 * gate['estimate']:.1f} % of {gate['total']:g}" if gate.get("total") else gate["reason"]
    return f"{gate['name']}{role}: {gate['verdict']}, {numbers}"


def _check(check: Mapping[str, Any]) -> str:
    return f"{check['name']} before {check['before']:g} %: {check.get('verdict') or check['message'] or 'asked'}"


def _entry(entry: Mapping[str, Any]) -> str:
    run = f" {entry['runID']}" if entry["runID"] else ""
    evidence = entry["evidence"]
    is_told = not evidence or evidence.partition("; ")[0] in entry["message"]
    return shortened(
        f"{entry['at'][:19]}Z{run} {entry['event']}: {entry['message']}{'' if is_told else f' ({evidence})'}",
        ENTRY_SHOWN,
    )
