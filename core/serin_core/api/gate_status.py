"""What a status keeps of gates: verdicts, what they remember, and the counts up to the last check."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from pydantic import Field

from serin_core.api.base import Moment, StatusModel, shortened
from serin_core.api.gate_options import Range
from serin_core.api.query_status import QueryStatus
from serin_core.evidence.counts import Verdict

MAX_DETAIL: Final = 500
"""Characters of a gate's detail."""


class GateRole(StrEnum):
    """What the verdict of a gate may cause."""

    ACTING = "Acting"
    FAIL_ONLY = "FailOnly"
    DRY_RUN = "DryRun"


class LateHarm(StatusModel):
    """Counts since the check after which harm seems to have begun: they decided a Fail."""

    check: int = Field(description="First check of these counts, numbered from 1 in the stage.")
    good: float = Field(description="Good since then.")
    total: float = Field(description="Total since then.")


class GateStatus(StatusModel):
    """One gate in the current stage: its counts, its limit and its verdict."""

    name: str = Field(description="Name of the gate.")
    at_least: float | None = Field(None, description="Minimum rate.")
    at_most: float | None = Field(None, description="Maximum rate.")
    within: Range | None = Field(None, description="Bounds of the rate.")
    margin: float | None = Field(None, description="Tolerance of a Pass; absent if there is none.")
    odds_ratio: float | None = Field(
        None, description="Maximum ratio of the odds of a bad outcome in the canary to those in the control group."
    )
    role: GateRole = Field(
        GateRole.ACTING, description="Acting, FailOnly (not needed for a Pass) or DryRun (never acted on)."
    )
    good: float | None = Field(None, description="Good events since the stage began.")
    total: float | None = Field(None, description="All events since the stage began.")
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
    reason: str = Field(description="Reason of the verdict.")
    needed: int | None = Field(None, description="Estimated number of further requests until a verdict.")
    detail: str = Field("", description="More numbers: the worst class, or the other arm.")
    query: QueryStatus | None = Field(None, description="The query of a query gate, which counts nothing.")

    @property
    def has_data(self) -> bool:
        """Whether anything was counted, or a query had a result."""
        return self.total is not None if self.query is None else self.query.value is not None

    def without_verdict(self, reason: str, message: str) -> Self:
        """Return the counts without a verdict, where a later check could not read them."""
        update = {"verdict": Verdict.INCONCLUSIVE, "reason": reason, "detail": shortened(message, MAX_DETAIL)}
        return self.model_copy(update=update | {"needed": None, "late_harm": None})


@dataclass(frozen=True, slots=True)
class CountsAt:
    """Counts since the stage began, as read at one check: a status has up to 48 for each gate, so they are small."""

    check: int
    """Number of the check."""
    good: float
    """Good events until then."""
    total: float
    """All events until then."""


class GateMemory(StatusModel):
    """What the test of a gate keeps from earlier checks of the current stage."""

    bound: str = Field("", description="Bound of the last check.")
    judged_by: str = Field("", description="Error rates of the last check.")
    edits: int = Field(0, description="Number of changes of its bound in this stage.")
    good: float = Field(0, description="Good events at the last check.")
    total: float = Field(0, description="All events at the last check.")
    zero: CountsAt | None = Field(None, description="Counts at the end of the initialDelay.")
    checks: int = Field(0, description="Number of checks with new events.")
    starts: tuple[CountsAt, ...] = Field((), description="Earlier counts after which a change may have begun.")
    control_good: float = Field(0, description="Good events of the control group at the last check, if there is one.")
    control_total: float = Field(0, description="All events of the control group at the last check, if there is one.")
    log_ratios: tuple[float, ...] = Field(
        (), description="Log evidence for each harmful odds ratio to a control group."
    )
    log_ratios_below: tuple[float, ...] = Field(
        (), description="Log evidence for each harmless odds ratio to a control group."
    )

    def rebound(self, bound: str, *, keeps_harm: bool = True) -> Self:
        """Return the memory after an edit of the gate's bound.

        The counts stay. Evidence for the limit of two arms is dropped, since it holds for that limit alone; that of
        harm stays with `keeps_harm`, where harm has no limit.
        """
        harm = self.log_ratios if keeps_harm else ()
        return self._copy({"bound": bound, "edits": self.edits + 1, "log_ratios_below": (), "log_ratios": harm})

    def restarted(self, bound: str) -> Self:
        """Return the memory after an edit that changes the kind of test: only the number of edits stays."""
        return type(self)(bound=bound, edits=self.edits + 1)

    def with_bound(self, bound: str) -> Self:
        """Return the same evidence, evaluated by this bound."""
        return self.model_copy(update={"bound": bound})

    def with_alphas(self, alphas: str) -> Self:
        """Return the same evidence, evaluated with these error probabilities."""
        return self if self.judged_by == alphas else self.model_copy(update={"judged_by": alphas})


@dataclass(frozen=True, slots=True)
class ProcessCounts:
    """Last known counts of one server process."""

    good: float
    """Good events since the stage began."""
    total: float
    """All events since the stage began."""


class OwnSeries(StatusModel):
    """Last known state of one series of a custom gate."""

    at: float = Field(description="Unix time of its last sample, in seconds.")
    last: float = Field(description="Value of its last sample.")
    gained: float = Field(description="Increase since the stage began.")


class OwnCounts(StatusModel):
    """The series of one custom gate."""

    good: dict[str, OwnSeries] = Field(default_factory=dict, description="Series of good events.")
    total: dict[str, OwnSeries] = Field(default_factory=dict, description="Series of all events.")
    good_before: float = Field(0, description="Good events up to `until`, of all series.")
    total_before: float = Field(0, description="All events up to `until`, of all series.")
    until: float | None = Field(
        None, description="Unix time up to which all series were summed up because they were too many; absent if never."
    )

    @property
    def sums(self) -> tuple[float, float]:
        """Good and total since the stage began, of all series."""
        good = self.good_before + sum(series.gained for series in self.good.values())
        return good, self.total_before + sum(series.gained for series in self.total.values())

    @property
    def is_empty(self) -> bool:
        """Whether nothing has ever been counted."""
        return not self.total and self.until is None

    def summed_up(self) -> Self:
        """Return the sums without the series: the next check follows them from their last sample on."""
        ends = [series.at for series in (*self.good.values(), *self.total.values())]
        if not ends:
            return self
        good, total = self.sums
        return type(self)(good_before=good, total_before=total, until=max(ends))


class Checkpoint(StatusModel):
    """Last known counts by gate and server process, so that a check reads minutes and not the whole stage."""

    at: Moment = Field(description="Time up to which they were read.")
    since: Moment | None = Field(None, description="Processes that had ended before this time are summed up.")
    counts: dict[str, dict[str, ProcessCounts]] = Field(
        default_factory=dict, description="By gate, then by server process; `ended` sums up all that have ended."
    )
    own: dict[str, OwnCounts] = Field(default_factory=dict, description="By custom gate.")
