"""The status of a SuggestionModel: everything that was observed or decided. Only the operator writes it.

Timestamps are absolute and in UTC, so that a soak of a week survives restarts of the operator. `phase` is for display.
In the cluster it is written as a short view, see `status_view`.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Self, TypedDict, Unpack

from pydantic import Field, model_validator

from serin_core.api import packing
from serin_core.api.actual_share import ActualShare
from serin_core.api.attempts import RunAttempts
from serin_core.api.base import Moment, StatusModel
from serin_core.api.candidate import BEING_REPLACED, Candidate, CandidateState, RunInUse
from serin_core.api.check_status import CheckStatus
from serin_core.api.drift import InputDrift
from serin_core.api.gate_status import Checkpoint, GateMemory, GateStatus
from serin_core.api.notifications import Notifications
from serin_core.api.progress import Progress
from serin_core.api.record import RollbackTime
from serin_core.api.revisions import StoredRevision
from serin_core.api.silent_pods import SilentPod
from serin_core.api.spec import Registry
from serin_core.api.supervision import Supervision

__all__ = [
    "BEING_REPLACED",
    "Candidate",
    "CandidateState",
    "Condition",
    "Crash",
    "HandledRequest",
    "HistoryEntry",
    "Phase",
    "Propagation",
    "RejectedRun",
    "RunInUse",
    "Status",
    "TemplateRun",
    "ready_of",
]


class Phase(StrEnum):
    """The state of a resource in one word, for display only."""

    PENDING = "Pending"
    SHADOW = "Shadow"
    CANARY = "Canary"
    AT_CAP = "AtCap"
    BAKING = "Baking"
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    REFUSED = "Refused"
    SUSPENDED = "Suspended"
    STOPPED = "Stopped"
    PAUSED = "Paused"


class RejectedRun(StatusModel):
    """A run that was rolled back: it is rolled out again only on a retry request."""

    run_id: str = Field(alias="runID", description="Name of the run.")
    at: Moment = Field(description="Time of the rollback.")
    attempt: int = Field(1, description="Number of attempts so far.")
    reason: str = Field(description="Why it was rolled back.")


class TemplateRun(StatusModel):
    """A run that the pod template loads, with the digest that was known when the template was made."""

    run_id: str = Field(alias="runID", description="Name of the run.")
    digest: str | None = Field(None, description="Its digest; absent where pods report the digest that they find.")


class Crash(StatusModel):
    """A crash of a container that had loaded the candidate."""

    pod: str = Field(description="UID of the pod.")
    restart: int = Field(description="Number of the restart.")
    at: Moment = Field(description="Time of the crash.")


class Propagation(StatusModel):
    """The routing that was decided, and how many pods serve it."""

    revision: StoredRevision = Field(0, description="Revision of the routing document; it only grows.")
    stage: StoredRevision = Field(0, description="The stage that the document names.")
    hash: str = Field("", description="The sha256 of the document.")
    since: Moment | None = Field(None, description="Time at which this revision was decided.")
    confirmed: bool = Field(default=False, description="Whether every pod has confirmed it.")
    confirmed_at: Moment | None = Field(None, description="Time at which every pod had first confirmed it.")
    pods: str = Field("0/0", description="Number of pods that serve it, of all.")
    withdraws_run: bool = Field(
        alias="takesAway",
        default=False,
        description="Whether a pod with an older routing may still serve a run that this one withdraws.",
    )

    def seen(self, *, confirmed: bool, pods: str, now: datetime) -> Self:
        """Return it with the pods' confirmations as of `now`."""
        first = self.confirmed_at or (now if confirmed else None)
        return self._copy({"confirmed": confirmed, "confirmed_at": first, "pods": pods})


class HistoryEntry(StatusModel):
    """One transition of the rollout."""

    at: Moment = Field(description="Time of the transition.")
    run_id: str = Field("", alias="runID", description="The run that it concerns.")
    event: str = Field(description="What happened, for example StepAdvanced, Promoted, GateFailed.")
    message: str = Field(description="What happened, in a sentence, with the evidence.")
    percent: float = Field(0, description="Percent of users that the run serves afterwards.")
    evidence: str = Field("", description="Counts of every gate of the stage at that moment; empty outside of a stage.")
    by: str = Field("operator", description="Who caused it: the operator, or a manual request.")


class HandledRequest(StatusModel):
    """A manual request, and its result."""

    action: str = Field(description="promote, promote-full, pause, resume, abort, undo or retry.")
    value: str = Field(description="Value of the annotation.")
    by: str = Field("", description="User who made it, as the request names them; empty if it names nobody.")
    reason: str = Field("", description="Reason that the user gave; empty if none.")
    answer: str = Field(description="Result of the request.")
    at: Moment = Field(description="Time of the answer.")


class Condition(StatusModel):
    """A condition as defined by the Kubernetes API conventions."""

    type: str = Field(description="Ready, Reconciling, Stalled, Available or ShadowForced.")
    status: str = Field(description="True, False or Unknown.")
    reason: str = Field(description="Reason of the status, one word in CamelCase.")
    message: str = Field("", description="Explanation for users.")
    observed_generation: int = Field(0, description="Generation of the spec that was observed.")
    last_transition_time: Moment = Field(description="Time of the last change of its status.")


def ready_of(conditions: Iterable[Condition]) -> Condition | None:
    """Return the condition Ready, None if there is none."""
    return next((one for one in conditions if one.type == "Ready"), None)


class StatusChanges(TypedDict, total=False):
    """Fields of a Status that change."""

    phase: Phase
    observed_generation: int
    replicas: int
    selector: str
    has_autoscaler: bool
    stable: RunInUse | None
    previous: RunInUse | None
    earlier: tuple[RunInUse, ...]
    candidate: Candidate | None
    rejected: tuple[RejectedRun, ...]
    attempts: tuple[RunAttempts, ...]
    pod_runs: tuple[TemplateRun, ...]
    former_pod_runs: tuple[TemplateRun, ...]
    pod_registry: Registry | None
    pod_attempt: int
    former_pod_attempt: int
    crashes: tuple[Crash, ...]
    gates: tuple[GateStatus, ...]
    checks: tuple[CheckStatus, ...]
    memory: dict[str, GateMemory]
    checkpoint: Checkpoint | None
    actual_share: ActualShare | None
    no_data_since: datetime | None
    propagation: Propagation
    progress: Progress | None
    supervision: Supervision
    silent_pods: tuple[SilentPod, ...]
    dead_pods: tuple[str, ...]
    history: tuple[HistoryEntry, ...]
    handled_requests: tuple[HandledRequest, ...]
    requests_forgotten_until: datetime | None
    conditions: tuple[Condition, ...]
    ready_reason_since: datetime | None
    trial: int
    rollback: RollbackTime | None
    drift: InputDrift | None
    notifications: Notifications


class Status(StatusModel):
    """Everything observed or decided about one SuggestionModel."""

    phase: Phase = Field(Phase.PENDING, description="For display only.")
    observed_generation: int = Field(0, description="Generation of the spec that was last observed.")
    replicas: int = Field(0, description="Number of pods, without those that are terminating; read by autoscalers.")
    selector: str = Field("", description="Label selector of the pods; read by autoscalers.")
    has_autoscaler: bool = Field(
        default=False, description="Whether there is or was a HorizontalPodAutoscaler of spec.server.autoscaling."
    )
    stable: RunInUse | None = Field(None, description="The stable run; absent while the rules serve all users.")
    previous: RunInUse | None = Field(None, description="The stable run before it, still loaded.")
    earlier: tuple[RunInUse, ...] = Field(
        (), description="Runs that were stable before and can be restored, newest first."
    )
    candidate: Candidate | None = Field(
        None, description="The run being rolled out, or the last one that was rolled back or refused."
    )
    rejected: tuple[RejectedRun, ...] = Field((), description="Runs that were rolled back.")
    attempts: tuple[RunAttempts, ...] = Field((), description="Attempts of the last 100 candidates, newest last.")
    pod_runs: tuple[TemplateRun, ...] = Field((), description="Runs that the pod template loads.")
    former_pod_runs: tuple[TemplateRun, ...] = Field((), description="Runs of the template before.")
    pod_registry: Registry | None = Field(None, description="Registry that the pod template reads from.")
    pod_attempt: int = Field(0, description="Attempt that the pod template names.")
    former_pod_attempt: int = Field(0, description="Attempt of the template before.")
    crashes: tuple[Crash, ...] = Field((), description="Crashes of containers that had loaded the candidate.")
    gates: tuple[GateStatus, ...] = Field((), description="Gates of the current stage.")
    checks: tuple[CheckStatus, ...] = Field((), description="Checks before the next step.")
    memory: dict[str, GateMemory] = Field(
        default_factory=dict, description="What the gates of the current stage keep from earlier checks."
    )
    checkpoint: Checkpoint | None = Field(None, description="Last known counts of the current stage.")
    actual_share: ActualShare | None = Field(
        None, description="What the candidate served in the current stage; absent in shadow."
    )
    no_data_since: Moment | None = Field(
        None, description="Time since which no gate of the stage has data; absent if one has."
    )
    propagation: Propagation = Field(Propagation(), description="The routing that was decided, and who serves it.")
    silent_pods: tuple[SilentPod, ...] = Field((), description="Ready pods that do not respond to the operator.")
    dead_pods: tuple[str, ...] = Field(
        (), description="UIDs of the pods that a user declared dead, until they are gone; the last 100."
    )
    progress: Progress | None = Field(None, description="Progress of the pods; absent where none is awaited.")
    supervision: Supervision = Field(Supervision(), description="Pods that had answered without the candidate.")
    history: tuple[HistoryEntry, ...] = Field((), description="The last 20 transitions, newest last.")
    trial: int = Field(0, description="Number of the last trial; its record is the ConfigMap NAME-trial-NUMBER.")
    rollback: RollbackTime | None = Field(None, description="The last rollback, and when every pod had confirmed it.")
    drift: InputDrift | None = Field(
        None, description="Drift of what users ask; absent if it has not been compared, or the run has no data profile."
    )
    handled_requests: tuple[HandledRequest, ...] = Field((), description="Manual requests and their results.")
    requests_forgotten_until: Moment | None = Field(
        None, description="Time of the newest handled request that is not listed any more; older ones are ignored."
    )
    conditions: tuple[Condition, ...] = Field(
        (),
        description="Ready, Reconciling, Stalled, Available.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    ready_reason_since: Moment | None = Field(None, description="Time since which Ready has its reason.")
    notifications: Notifications = Field(Notifications(), description="Notifications that are still to be delivered.")

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        return packing.expanded(data) if isinstance(data, dict) else data

    def changed(self, **changes: Unpack[StatusChanges]) -> Self:
        """Return a copy with some fields changed, or the same status where they have these values."""
        mine = self.__dict__
        return self if all(mine[name] == value for name, value in changes.items()) else self._copy(changes)

    def without_evidence(self) -> Self:
        """Return the status before the first count of a stage."""
        return self.changed(gates=(), checks=(), memory={}, checkpoint=None, actual_share=None, no_data_since=None)

    def with_former_template(self) -> Self:
        """Return the status with the runs and the attempt of the pod template before the present one."""
        return self.changed(pod_runs=self.former_pod_runs, pod_attempt=self.former_pod_attempt)

    def with_candidate(self, candidate: Candidate) -> Self:
        """Return the status with a changed candidate; evidence is dropped unless its stage has started."""
        kept = self if candidate.stage_started_at is not None else self.without_evidence()
        return kept.changed(candidate=candidate)

    @property
    def ready(self) -> Condition | None:
        """The condition Ready; None before the first decision."""
        return ready_of(self.conditions)

    @property
    def ready_reason(self) -> str:
        """The reason of the condition Ready, "" before the first decision."""
        return "" if self.ready is None else self.ready.reason

    @property
    def rollout(self) -> Candidate | None:
        """The candidate while its rollout is under way, else None."""
        over = (CandidateState.ROLLED_BACK, CandidateState.REFUSED, CandidateState.STOPPED)
        return None if self.candidate is None or self.candidate.state in over else self.candidate
