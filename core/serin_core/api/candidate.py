"""The candidate of a rollout, and runs in use, as status keeps them."""

from datetime import datetime
from enum import StrEnum
from typing import Self, TypedDict, Unpack

from pydantic import Field

from serin_core.api.bake import BakeClock
from serin_core.api.base import Moment, StatusModel, shortened
from serin_core.api.clock import StoppableClock
from serin_core.api.hold import HoldSince
from serin_core.api.pause import Pause
from serin_core.api.revisions import StoredRevision
from serin_core.api.rollback import SkippedTrial
from serin_core.api.spec import Thresholds

MAX_REASON = 1000
"""Characters of a reason that is kept."""
BEING_REPLACED = ""
"""The template hash of a candidate whose pods are being replaced."""


class CandidateState(StrEnum):
    """How far the rollout of a candidate has come."""

    DRAINING = "Draining"
    LOADING = "Loading"
    RUNNING = "Running"
    ROLLED_BACK = "RolledBack"
    REFUSED = "Refused"
    STOPPED = "Stopped"


class RunInUse(StatusModel):
    """A promoted run, with the settings under which it was proven."""

    run_id: str = Field(alias="runID", description="Name of the run.")
    digest: str = Field(description="The sha256 of its manifest.")
    since: Moment = Field(description="Time at which it became stable or previous.")
    thresholds: Thresholds = Field(Thresholds(), description="Confidence thresholds in use.")
    calibration: bool = Field(default=True, description="Whether its calibrators are applied.")

    def with_settings(self, thresholds: Thresholds, *, calibration: bool) -> Self:
        """Return the run under other thresholds and calibration."""
        return self._copy({"thresholds": thresholds, "calibration": calibration})

    def serving_since(self, moment: datetime) -> Self:
        """Return the run as one that serves since `moment`."""
        return self._copy({"since": moment})


class CandidateChanges(TypedDict, total=False):
    """Fields of a Candidate that change during a rollout."""

    digest: str | None
    thresholds: Thresholds
    calibration: bool
    state: CandidateState
    reason: str
    percent: float
    cap: float | None
    stage: int | None
    stage_started_at: datetime | None
    soak_elapsed: float
    soaking_since: datetime | None
    attempt: int
    template: str
    promote_full: str
    proven_at: datetime | None
    pause: Pause | None
    holdback: float
    bake: BakeClock | None
    hold: HoldSince | None


class Candidate(StatusModel):
    """The run being rolled out, or the last one that was rolled back or refused."""

    run_id: str = Field(alias="runID", description="Name of the run.")
    digest: str | None = Field(None, description="The sha256 of its manifest, pinned once the pods have reported it.")
    pinned: bool = Field(default=False, description="Whether spec.digest named the digest.")
    source: str = Field("", description="Hash of the registry that the run is read from.")
    thresholds: Thresholds = Field(Thresholds(), description="Confidence thresholds in use.")
    calibration: bool = Field(default=True, description="Whether its calibrators are applied.")
    state: CandidateState = Field(description="Draining, Loading, Running, RolledBack, Refused or Stopped.")
    reason: str = Field("", description="Why it is RolledBack, Refused or Stopped.")
    skips_trial: SkippedTrial = Field(
        SkippedTrial.NONE,
        description="Why it serves without shadow and steps: Restored or Trusted; else empty.",
    )
    percent: float = Field(0, description="Step that it has reached, in percent of users.")
    cap: float | None = Field(None, description="The spec.canary.percent that was last seen.")
    stage: StoredRevision | None = Field(
        None, description="Routing revision at which the stage began; absent before that."
    )
    stage_started_at: Moment | None = Field(None, description="Time at which every pod had confirmed the stage.")
    soak_elapsed: float = Field(0, alias="soaked", description="Seconds of soak up to soakingSince.")
    soaking_since: Moment | None = Field(
        None, description="Start of the running soak timer; absent while it is stopped."
    )
    attempt: int = Field(1, description="Number of this attempt to roll the run out.")
    attempt_started_at: Moment = Field(description="Start of this attempt.")
    template: str = Field(
        BEING_REPLACED,
        description="Hash of the pod template under which the stage counts; empty while pods are being replaced.",
    )
    promote_full: str = Field("", description="The promote-full request that skips soaks and metric gates.")
    proven_at: Moment | None = Field(None, description="Time at which it was proven at a cap below 100 percent.")
    pause: Pause | None = Field(None, description="Pause that a user requested; absent if the rollout is not paused.")
    hold: HoldSince | None = Field(None, description="What holds the next step; absent if nothing does.")
    holdback: float = Field(0, description="Percent of users who stay with the stable run until it is promoted.")
    bake: BakeClock | None = Field(None, description="Its bake, once it has passed the last step.")

    @property
    def served_percent(self) -> float:
        """Percent of users that it serves: its step, less those who are held back until it is promoted."""
        return min(self.percent, 100.0 - self.holdback)

    @property
    def soak(self) -> StoppableClock:
        """Its soak in the current stage."""
        return StoppableClock(elapsed=self.soak_elapsed, running_since=self.soaking_since)

    def with_soak(self, soak: StoppableClock) -> Self:
        """Return the candidate with another clock of its soak."""
        return self.changed(soak_elapsed=soak.elapsed, soaking_since=soak.running_since)

    def changed(self, **changes: Unpack[CandidateChanges]) -> Self:
        """Return a copy with some fields changed."""
        return self._copy(changes)

    def restart_stage(self) -> Self:
        """Return the candidate before the start of a stage: clock and soak are reset."""
        return self.changed(
            stage=None, stage_started_at=None, soak_elapsed=0.0, soaking_since=None, proven_at=None, hold=None
        )

    def end_rollout(self, state: CandidateState, reason: str) -> Self:
        """Return the candidate after the end of its rollout: no user is served by it."""
        ended = self.restart_stage().changed(percent=0.0, promote_full="", pause=None, bake=None)
        return ended.changed(state=state, reason=shortened(reason, MAX_REASON))
