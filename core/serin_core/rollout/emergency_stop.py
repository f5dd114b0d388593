"""The emergency stop: `canary.percent: 0` for a promoted run, and its end.

A stop is no verdict: nobody has said that the run is bad. So it is not among the runs that were rolled back, and serves
again as soon as the percent is 100.
"""

from serin_core.api.status import CandidateState, Status
from serin_core.rollout import rollback
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import ALL_USERS, Transition, serving

REASON = "emergency stop (spec.canary.percent is 0)"


def requested(context: Context, _protocol: Protocol) -> Transition | None:
    """The promoted run that the spec names is stopped: the run before it, or the rules, serve all users."""
    status, stable = context.status, context.status.stable
    if context.spec.canary.percent > 0 or stable is None or stable.run_id != context.spec.run_id:
        return None
    follower = None if context.spec.rollback.to == "Rules" else status.previous
    status = status.without_evidence().changed(
        candidate=rollback.former_stable(context, stable, CandidateState.STOPPED, REASON),
        stable=None if follower is None else follower.serving_since(context.now),
        previous=None,
    )
    message = f"Stopped: {REASON}; {serving(status)}. At 100 the run serves again, without a new trial"
    return Transition(status, stable.run_id, message, is_warning=True)


def ended(context: Context, _protocol: Protocol) -> Transition | None:
    """The percent is 100 again: the stopped run, which pods still have loaded, serves all users at once."""
    status, stopped = context.status, context.status.candidate
    if stopped is None or stopped.digest is None or stopped.run_id != context.spec.run_id:
        return None
    if context.spec.canary.percent < ALL_USERS or context.spec.digest not in (None, stopped.digest):
        return None
    if all(run.run_id != stopped.run_id for run in status.pod_runs):
        return None
    status = status.without_evidence().changed(
        stable=rollback.in_use(stopped, stopped.digest, since=context.now), previous=status.stable, candidate=None
    )
    return Transition(status, stopped.run_id, f"{serving(status)} again: spec.canary.percent is 100")


def is_stopped(status: Status) -> bool:
    """Return whether the run of the spec is stopped."""
    return status.candidate is not None and status.candidate.state is CandidateState.STOPPED
