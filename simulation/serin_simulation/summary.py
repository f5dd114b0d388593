"""Many outcomes in a few numbers: how often, why, and how long."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from serin_simulation.rollout import Outcome

ENDS = ("Promoted", "AtCap", "RolledBack", "Held")


@dataclass(frozen=True, slots=True)
class StageSummary:
    """One stage: how many rollouts entered it, how many completed it, and how long these took, in seconds."""

    percent: float
    entered: int
    left: int
    median: float | None
    ninth_decile: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """All rollouts under one rule."""

    rule: str
    rollouts: int
    ends: dict[str, int]
    """How many ended so, for each of ENDS."""
    why: dict[str, int]
    """`RolledBack: agreement` and the like, most frequent first."""
    stages: tuple[StageSummary, ...]
    promoted_after: tuple[float, ...]
    """Seconds until each promotion, in order."""
    rolled_back_after: tuple[float, ...]
    looks: int
    """Checks of all rollouts."""
    made: int
    """Checks that called `decide`."""


def summarize(rule: str, outcomes: Sequence[Outcome]) -> Summary:
    """Summarize outcomes."""
    ends = Counter(one.end for one in outcomes)
    why = Counter(f"{one.end}: {one.why}" for one in outcomes if one.why)
    percents = sorted({stay.percent for one in outcomes for stay in one.stays})
    good = ("Promoted", "AtCap")
    return Summary(
        rule=rule,
        rollouts=len(outcomes),
        ends={end: ends[end] for end in ENDS},
        why=dict(why.most_common()),
        stages=tuple(_stage(percent, outcomes) for percent in percents),
        promoted_after=tuple(sorted(one.seconds for one in outcomes if one.end in good)),
        rolled_back_after=tuple(sorted(one.seconds for one in outcomes if one.end == "RolledBack")),
        looks=sum(one.checks for one in outcomes),
        made=sum(one.made for one in outcomes),
    )


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the smallest of the ordered values that at least this share does not exceed; None if there are none."""
    if not ordered:
        return None
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def _stage(percent: float, outcomes: Sequence[Outcome]) -> StageSummary:
    stays, left = 0, []
    for one in outcomes:
        for place, stay in enumerate(one.stays):
            if stay.percent != percent:
                continue
            stays += 1
            is_last = place == len(one.stays) - 1
            if not is_last or one.end in ("Promoted", "AtCap"):
                left.append(stay.seconds)
    left.sort()
    return StageSummary(percent, stays, len(left), quantile(left, 0.5), quantile(left, 0.9))
