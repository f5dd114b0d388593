"""The ladder of shares that a spec describes: the cap applied to the steps, and where a share stands on it."""

from datetime import datetime, timedelta

from serin_core.api.spec import Canary
from serin_core.api.status import Candidate


def effective_steps(canary: Canary) -> tuple[float, ...]:
    """Answer the shares to pass through, in percent: steps above the cap become one step at it; () at a cap of 0."""
    below = [step.percent for step in canary.steps if step.percent <= canary.percent]
    is_cut = any(step.percent > canary.percent for step in canary.steps)
    if is_cut and canary.percent > 0 and canary.percent not in below:
        below.append(canary.percent)
    return tuple(below)


def next_step(canary: Canary, *, percent: float) -> float | None:
    """Answer the smallest step above a share, None at the top."""
    return next((step for step in effective_steps(canary) if step > percent), None)


def is_at_cap(canary: Canary, candidate: Candidate) -> bool:
    """Answer whether a run is proven at the top of the ladder, as the spec draws it now."""
    return candidate.proven_at is not None and next_step(canary, percent=candidate.percent) is None


def soak_of(canary: Canary, *, percent: float) -> timedelta:
    """Answer the least time at a share: that of its own step, or of the step that the cap cut, or of the last."""
    if percent == 0:
        return canary.shadow_soak
    return next((step.soak for step in canary.steps if step.percent >= percent), canary.steps[-1].soak)


def soak_elapsed(candidate: Candidate, *, now: datetime) -> timedelta:
    """Answer how long the present stage has soaked."""
    running = now - candidate.soaking_since if candidate.soaking_since is not None else timedelta()
    return timedelta(seconds=candidate.soak_elapsed) + running
