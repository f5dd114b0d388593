"""Rule 14: what holds a step although its stage is over: a freeze, an approval that is missing, a closed window.

A hold never delays a rollback, and evidence counts meanwhile. It is a pure function of the spec, the freezes and the
time, so that a clock that jumps leaves nothing behind.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from serin_core.api.spec import Canary
from serin_core.api.status import Candidate
from serin_core.api.waiting import are_open, describe_opening, next_opening
from serin_core.rollout.canary_steps import needs_approval, next_step


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time from `starts` up to `ends` in which no step of any rollout begins, and why."""

    starts: datetime
    ends: datetime
    reason: str

    def __str__(self) -> str:
        return f"frozen until {self.ends:%Y-%m-%d %H:%M} UTC by the operator's configuration: {self.reason}"


@dataclass(frozen=True, slots=True)
class Hold:
    """Why no step may begin now, as the reason of Ready and a clause, and when that ends, if it is known."""

    reason: str
    clause: str
    until: datetime | None = None


def freeze_at(freezes: Iterable[Freeze], at: datetime) -> Freeze | None:
    """Return the freeze that is in force at a time; of several, the one that ends last."""
    return max((one for one in freezes if one.starts <= at < one.ends), key=lambda one: one.ends, default=None)


def hold(canary: Canary, candidate: Candidate, freezes: Iterable[Freeze], *, at: datetime) -> Hold | None:
    """Return what holds the next step, or the promotion after the last one, at a time; None if nothing does.

    A freeze holds everything. A user who asked for the full promotion has approved its steps, whatever the windows.
    """
    if (freeze := freeze_at(freezes, at)) is not None:
        return Hold("Frozen", str(freeze), freeze.ends)
    if candidate.promote_full:
        return None
    higher = next_step(canary, percent=candidate.percent)
    if higher is not None and needs_approval(canary, percent=higher):
        return Hold("AwaitingApproval", f"a user must approve the step to {higher:g} %")
    if are_open(canary.windows, at):
        return None
    opening = next_opening(canary.windows, at)
    text = "none in two weeks" if opening is None else describe_opening(opening, now=at)
    return Hold("OutsideWindow", f"next window {text}", None if opening is None else opening[0])
