"""The resource's status: all state that decides, and all that a person reads. Written only by the operator.

Timestamps are absolute and in UTC; a soak of a week is a timestamp, never a running clock. `phase` is for display.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from serin_core.api.gates import Range
from serin_core.api.spec import Registry, Thresholds
from serin_core.evidence import Verdict


def _to_text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Moment = Annotated[AwareDatetime, PlainSerializer(_to_text, return_type=str)]


class StatusModel(BaseModel):
    """Whatever stands in `status`: camelCase outside; fields of a later version are passed over."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, serialize_by_alias=True
    )


BEING_REPLACED = ""
"""The template of a candidate whose pods come, or may come, from several."""


class TrialState(StrEnum):
    """How far the candidate has come."""

    DRAINING = "Draining"
    LOADING = "Loading"
    RUNNING = "Running"
    ROLLED_BACK = "RolledBack"
    REFUSED = "Refused"


class Phase(StrEnum):
    """One word for people; nothing decides by it."""

    PENDING = "Pending"
    SHADOW = "Shadow"
    CANARY = "Canary"
    AT_CAP = "AtCap"
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    REFUSED = "Refused"
    SUSPENDED = "Suspended"


class RunInUse(StatusModel):
    """A run that users trust, exactly as it was proven."""

    run_id: str = Field(alias="runID", description="The run.")
    digest: str = Field(description="The sha256 of its manifest.")
    since: Moment = Field(description="When it became what it is.")
    thresholds: Thresholds = Field(Thresholds(), description="The thresholds under which it answers.")
    calibration: bool = Field(default=True, description="Whether its calibrators are applied.")


class Candidate(StatusModel):
    """The run on trial, or the last one that was taken back or refused."""

    run_id: str = Field(alias="runID", description="The run.")
    digest: str | None = Field(None, description="The sha256 of its manifest, pinned once the pods have reported it.")
    pinned: bool = Field(default=False, description="Whether spec.digest named the digest.")
    source: str = Field("", description="A hash of the registry that the run is read from.")
    thresholds: Thresholds = Field(Thresholds(), description="The thresholds under which it is on trial.")
    calibration: bool = Field(default=True, description="Whether its calibrators are applied.")
    state: TrialState = Field(description="Draining, Loading, Running, RolledBack or Refused.")
    reason: str = Field("", description="Why it is RolledBack or Refused.")
    percent: float = Field(0, description="The share of users whom it may answer.")
    stage: int | None = Field(None, description="The routing revision at which the stage began; absent until it does.")
    stage_started_at: Moment | None = Field(None, description="When every pod had confirmed the stage.")
    soak_elapsed: float = Field(0, alias="soaked", description="Seconds of soak up to soakingSince.")
    soaking_since: Moment | None = Field(None, description="Since when the soak is running; absent while it is not.")
    attempt: int = Field(1, description="How often this run has been tried.")
    attempt_started_at: Moment = Field(description="When this attempt began.")
    template: str = Field(
        BEING_REPLACED,
        description="The pod template under which the stage counts; empty while pods are being replaced.",
    )
    promote_full: bool = Field(default=False, description="A person asked to skip soaks and metric gates.")
    proven_at: Moment | None = Field(None, description="When it was proven at a cap below 100 percent.")


class RejectedRun(StatusModel):
    """A run that was taken back: not tried again unless a person asks."""

    run_id: str = Field(alias="runID", description="The run.")
    at: Moment = Field(description="When it was taken back.")
    attempt: int = Field(1, description="How often it has been tried.")
    reason: str = Field(description="Why it was taken back.")


class TemplateRun(StatusModel):
    """A run that the pod template loads, with the digest that was known when the template was made."""

    run_id: str = Field(alias="runID", description="The run.")
    digest: str | None = Field(None, description="Its digest; absent where pods report what they find.")


class Crash(StatusModel):
    """A container that ended badly while it had the candidate loaded."""

    pod: str = Field(description="The uid of the pod.")
    restart: int = Field(description="Which of its restarts.")
    at: Moment = Field(description="When it ended.")


class GateRole(StrEnum):
    """What a gate's verdict may do."""

    ACTING = "Acting"
    FAIL_ONLY = "FailOnly"
    DRY_RUN = "DryRun"


class LateHarm(StatusModel):
    """Counts since the check after which harm seems to have begun: they decided a Fail."""

    check: int = Field(description="First check of these counts, numbered from 1 in the stage.")
    good: float = Field(description="Good since then.")
    total: float = Field(description="Total since then.")


class GateStatus(StatusModel):
    """One gate in the present stage: the counts, and what they say."""

    name: str = Field(description="The gate.")
    at_least: float | None = Field(None, description="The least share of good that it asks for.")
    at_most: float | None = Field(None, description="The greatest share of good that it allows.")
    within: Range | None = Field(None, description="The bounds between which it wants the share of good.")
    margin: float | None = Field(None, description="Tolerance of a Pass; absent if there is none.")
    odds_ratio: float | None = Field(
        None, description="By how many times the odds of a rejection in the canary may exceed those of the control."
    )
    role: GateRole = Field(
        GateRole.ACTING, description="Acting, FailOnly (not needed for a Pass) or DryRun (never acted on)."
    )
    good: float | None = Field(None, description="Good, since the stage began.")
    total: float | None = Field(None, description="All, since the stage began.")
    estimate: float | None = Field(None, description="good / total.")
    lower: float | None = Field(None, description="Lower end of the 95 percent confidence sequence.")
    upper: float | None = Field(None, description="Upper end of the 95 percent confidence sequence.")
    verdict: Verdict = Field(Verdict.INCONCLUSIVE, description="Pass, Fail or Inconclusive.")
    alpha: float | None = Field(
        None, description="Error probability of the test: of a Fail if it failed, else of a Pass."
    )
    late_harm: LateHarm | None = Field(
        None, description="Counts that decided a Fail; absent if these are all counts of the stage."
    )
    reason: str = Field(description="Why the verdict is what it is.")
    needed: int | None = Field(None, description="How many more requests a verdict needs at the present estimate.")
    detail: str = Field("", description="What else a person would want to know: the worst class, the other arm.")

    def without_verdict(self, reason: str, message: str) -> Self:
        """Return the counts without a verdict, where a later check could not read them."""
        update = {"verdict": Verdict.INCONCLUSIVE, "reason": reason, "detail": message, "needed": None}
        return self.model_copy(update=update | {"late_harm": None})


class CountsAt(StatusModel):
    """Counts since the stage began, as they stood at one check."""

    check: int = Field(description="Which check; harm may have begun after it.")
    good: float = Field(description="Good until then.")
    total: float = Field(description="All until then.")


class GateMemory(StatusModel):
    """What a gate remembers of earlier checks of the present stage: its evidence needs it, people do not."""

    bound: str = Field("", description="The bound under which it was last judged.")
    judged_by: str = Field("", description="The chances of an error by which it was last judged.")
    edits: int = Field(0, description="How often its bound was changed in this stage.")
    good: float = Field(0, description="Good when last counted.")
    total: float = Field(0, description="All when last counted.")
    zero: CountsAt | None = Field(None, description="Where its counts begin, after an initialDelay.")
    checks: int = Field(0, description="Checks at which something new was counted.")
    starts: tuple[CountsAt, ...] = Field((), description="Earlier counts after which harm may have begun.")
    control_good: float = Field(0, description="feedback: good of the control group when last counted.")
    control_total: float = Field(0, description="feedback: all of the control group when last counted.")
    log_ratios: tuple[float, ...] = Field((), description="feedback: the log evidence for each harmful odds ratio.")
    log_ratios_below: tuple[float, ...] = Field((), description="feedback: the same for each harmless odds ratio.")

    def with_bound(self, bound: str) -> Self:
        """Return the same evidence, evaluated by this bound."""
        return self.model_copy(update={"bound": bound})

    def with_alphas(self, alphas: str) -> Self:
        """Return the same evidence, evaluated with these error probabilities."""
        return self if self.judged_by == alphas else self.model_copy(update={"judged_by": alphas})


class ProcessCounts(StatusModel):
    """What one server process had counted when last seen."""

    good: float = Field(description="Good, since the stage began.")
    total: float = Field(description="All, since the stage began.")


class OwnSeries(StatusModel):
    """One series of an own gate, as far as it was followed."""

    at: float = Field(description="Unix time of its last sample, in seconds.")
    last: float = Field(description="Its value then.")
    gained: float = Field(description="What it has gained since the stage began.")


class OwnCounts(StatusModel):
    """The series of one own gate."""

    good: dict[str, OwnSeries] = Field(default_factory=dict, description="Those of the good ones.")
    total: dict[str, OwnSeries] = Field(default_factory=dict, description="Those of all.")


class Checkpoint(StatusModel):
    """Last known counts by gate and server process, so that a look reads minutes and not the whole stage."""

    at: Moment = Field(description="Up to when they were read.")
    since: Moment | None = Field(None, description="From when on: processes that had ended by then are added up.")
    counts: dict[str, dict[str, ProcessCounts]] = Field(
        default_factory=dict, description="By gate, then by server process; `ended` is all that have ended."
    )
    own: dict[str, OwnCounts] = Field(default_factory=dict, description="By own gate, what its series have gained.")


class Propagation(StatusModel):
    """Which routing is wanted, and whether every pod serves it."""

    revision: int = Field(0, description="The revision of the routing document; it only grows.")
    stage: int = Field(0, description="The stage that the document names.")
    hash: str = Field("", description="The sha256 of the document.")
    since: Moment | None = Field(None, description="When this revision was decided.")
    confirmed: bool = Field(default=False, description="Whether every pod has said that it serves it.")
    confirmed_at: Moment | None = Field(None, description="When every pod had first said so.")
    pods: str = Field("0/0", description="How many pods serve it, of how many.")
    withdraws_run: bool = Field(
        alias="takesAway",
        default=False,
        description="Whether a pod that does not serve it may still serve a run that it takes away.",
    )


class HistoryEntry(StatusModel):
    """One thing that happened, with the numbers that carried it."""

    at: Moment = Field(description="When it happened.")
    run_id: str = Field("", alias="runID", description="The run that it happened to.")
    event: str = Field(description="What happened, for example Raised, Promoted, RolledBack.")
    message: str = Field(description="One sentence for people.")
    percent: float = Field(0, description="The share of users after it.")
    by: str = Field("operator", description="Who asked: the operator, or a person's request.")
    gates: tuple[GateStatus, ...] = Field((), description="The gates as they stood.")


class HandledRequest(StatusModel):
    """A person's request, and what became of it."""

    action: str = Field(description="promote, promote-full, abort or retry.")
    value: str = Field(description="The annotation's value.")
    answer: str = Field(description="What became of it.")
    at: Moment = Field(description="When it was answered.")


class Condition(StatusModel):
    """A condition as the Kubernetes API conventions define it."""

    type: str = Field(description="Ready, Reconciling, Stalled, Available or ShadowForced.")
    status: str = Field(description="True, False or Unknown.")
    reason: str = Field(description="One word in CamelCase.")
    message: str = Field("", description="One sentence for people.")
    observed_generation: int = Field(0, description="The generation of the spec that it speaks of.")
    last_transition_time: Moment = Field(description="When its status last changed.")


class Status(StatusModel):
    """Everything observed or decided about one SuggestionModel."""

    phase: Phase = Field(Phase.PENDING, description="For display only.")
    observed_generation: int = Field(0, description="The generation of the spec that was last looked at.")
    stable: RunInUse | None = Field(None, description="The run that users trust now; absent while rules answer.")
    previous: RunInUse | None = Field(None, description="The run before it, still loaded.")
    candidate: Candidate | None = Field(None, description="The run on trial, or the last one taken back or refused.")
    rejected: tuple[RejectedRun, ...] = Field((), description="Runs that were taken back.")
    pod_runs: tuple[TemplateRun, ...] = Field((), description="The runs that the pod template loads.")
    former_pod_runs: tuple[TemplateRun, ...] = Field((), description="Those of the template before.")
    pod_registry: Registry | None = Field(None, description="The registry that the pod template reads from.")
    pod_attempt: int = Field(0, description="The attempt that the pod template names.")
    crashes: tuple[Crash, ...] = Field((), description="Containers that ended badly with the candidate.")
    gates: tuple[GateStatus, ...] = Field((), description="The gates of the present stage.")
    memory: dict[str, GateMemory] = Field(
        default_factory=dict, description="What the gates of the present stage remember of earlier checks."
    )
    checkpoint: Checkpoint | None = Field(None, description="Counts of the present stage as last kept.")
    no_data_since: Moment | None = Field(
        None, description="Since when no gate of the stage has data; absent if one has."
    )
    propagation: Propagation = Field(Propagation(), description="Which routing is wanted and served.")
    history: tuple[HistoryEntry, ...] = Field((), description="The last 20 transitions, newest last.")
    handled_requests: tuple[HandledRequest, ...] = Field((), description="People's requests and their answers.")
    conditions: tuple[Condition, ...] = Field(
        (),
        description="Ready, Reconciling, Stalled, Available.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )

    @property
    def trial(self) -> Candidate | None:
        """Answer the candidate while it is on trial, else None."""
        over = (TrialState.ROLLED_BACK, TrialState.REFUSED)
        return None if self.candidate is None or self.candidate.state in over else self.candidate
