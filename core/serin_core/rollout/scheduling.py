"""When to check a resource again, if no event of the cluster comes first."""

from datetime import timedelta
from typing import Final

from serin_core.rollout.canary_steps import soak_elapsed, soak_of
from serin_core.rollout.protocol import Context

RESYNC: Final = timedelta(minutes=10)
_SECOND: Final = timedelta(seconds=1)
_EAGER_FOR: Final = timedelta(seconds=20)


def next_check(context: Context) -> timedelta:
    """Return the delay until the next check.

    That is short while pods are to confirm a routing or a stage is to start, else the end of the soak or the interval
    of the analysis, and RESYNC without a rollout.
    """
    wanted, rollout = context.status.propagation, context.status.rollout
    if wanted.since is not None and not wanted.confirmed and context.observed.pods:
        age = context.now - wanted.since
        return timedelta(milliseconds=250) if age < _EAGER_FOR else 2 * _SECOND
    if rollout is None:
        return RESYNC
    if rollout.stage_started_at is None:
        return _SECOND
    left = soak_of(context.spec.canary, percent=rollout.percent) - soak_elapsed(rollout, now=context.now)
    interval = context.spec.analysis.interval
    return min(interval, max(left, _SECOND / 10)) if left > timedelta() else interval
