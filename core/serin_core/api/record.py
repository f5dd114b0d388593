"""Records of trials: one document for each rollout, kept in a ConfigMap for users and audits. docs/records.md.

Nothing is ever decided by a record. A field is never removed or given another meaning within one version.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, field_validator

from serin_core.api.base import Moment, StatusModel
from serin_core.api.format_versions import Format
from serin_core.api.gate_status import GateStatus


class RollbackTime(StatusModel):
    """A rollback, and when every pod had confirmed it."""

    run_id: str = Field(alias="runID", description="The run that was rolled back.")
    event: str = Field(description="What rolled it back, for example GateFailed or RolloutAborted.")
    at: Moment = Field(description="Time of the decision.")
    revision: int = Field(description="Routing revision that withdraws the run.")
    trial: int = Field(0, description="Number of the trial.")
    confirmed_at: Moment | None = Field(None, description="Time at which every pod had confirmed it; absent before.")

    @property
    def seconds(self) -> float | None:
        """Seconds from the decision until every pod had confirmed it, None before."""
        return None if self.confirmed_at is None else (self.confirmed_at - self.at).total_seconds()

    def confirmed(self, at: datetime) -> Self:
        """Return it as confirmed by every pod."""
        return self._copy({"confirmed_at": at})


class Outcome(StrEnum):
    """How a trial has ended so far."""

    RUNNING = "Running"
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    REFUSED = "Refused"
    CANCELLED = "Cancelled"
    REPLACED = "Replaced"


class TransitionRecord(StatusModel):
    """One transition, with every gate of the stage at that moment."""

    at: Moment = Field(description="Time of the transition.")
    run_id: str = Field("", alias="runID", description="The run that it concerns.")
    event: str = Field(description="What happened; the reason of its Event.")
    message: str = Field(description="What happened, in a sentence.")
    by: str = Field("operator", description="Who caused it: the operator, or a manual request, as it was written.")
    stage: int | None = Field(None, description="Routing revision of the stage that it left; absent outside of one.")
    percent_before: float = Field(0, description="Percent of users that the run served before.")
    percent: float = Field(0, description="Percent of users that the run serves afterwards.")
    gates: tuple[GateStatus, ...] = Field(
        (), description="Every gate of the stage at that moment: counts, bounds and verdict."
    )

    def without_gates(self) -> Self:
        """Return the transition without its evidence, where a record is too long."""
        return self._copy({"gates": ()})


CurvePoint = Annotated[tuple[float, float, float, float, float | None, float | None], Field()]
"""Seconds since the trial began, percent of the stage, good, total, lower and upper end of the 95 percent interval."""
SharePoint = Annotated[tuple[float, float, float | None, float | None], Field()]
"""Seconds since the trial began; wanted percent of users; actual percent of users and of requests, null if unknown."""


class TrialRecord(StatusModel):
    """One trial: the rollout of a run, from its start to its end, and what happened to the run afterwards."""

    FORMAT: ClassVar[Format["TrialRecord"]] = Format("the record")

    version: int = Field(1, description="Version of this format.")
    trial: int = Field(description="Number of the trial, from 1.")
    namespace: str = Field(description="Namespace of the SuggestionModel.")
    name: str = Field(description="Name of the SuggestionModel.")
    uid: str = Field(description="UID of the SuggestionModel.")
    run_id: str = Field("", alias="runID", description="The run that was rolled out.")
    digest: str | None = Field(None, description="The sha256 of its manifest, absent until pods have reported it.")
    attempt: int = Field(1, description="Number of the attempt to roll this run out.")
    started_at: Moment = Field(description="Start of the trial.")
    ended_at: Moment | None = Field(None, description="End of the rollout; absent while it is running.")
    outcome: Outcome = Field(
        Outcome.RUNNING, description="Running, Promoted, RolledBack, Refused, Cancelled, Replaced."
    )
    reason: str = Field("", description="Why: the message of the transition that led to the outcome.")
    by: str = Field("", description="Who started it: the field manager that wrote spec.runID, or a manual request.")
    spec: dict[str, Any] | None = Field(
        None, description="The spec when the trial began, without defaults; absent if it is too long."
    )
    transitions: tuple[TransitionRecord, ...] = Field((), description="All transitions, oldest first.")
    dropped_transitions: int = Field(0, description="Number of transitions left out because the record was too long.")
    curves: dict[str, tuple[CurvePoint, ...]] = Field(
        default_factory=dict,
        description="By gate: seconds since the start, percent of the stage, good, total, lower, upper; thinned.",
    )
    shares: tuple[SharePoint, ...] = Field(
        (), description="Seconds since the start, wanted percent of users, actual percent of users and of requests."
    )
    rollbacks: tuple[RollbackTime, ...] = Field((), description="Rollbacks, with the time until all pods confirmed.")

    @field_validator("version", mode="before")
    @classmethod
    def _is_known(cls, version: Any) -> int:
        return cls.FORMAT.check(version)

    def changed(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return self._copy(changes)
