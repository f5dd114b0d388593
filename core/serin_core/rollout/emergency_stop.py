"""The emergency stop: `canary.percent: 0` for a promoted run, and its end.

A stop is no verdict: nobody has said that the run is bad. So it is not among the runs that were rolled back, and serves
again as soon as the percent is 100.
"""

from serin_core.api.status import Candidate, CandidateState, Status
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


def requested_in_the_bake(context: Context, _protocol: Protocol) -> Transition | None:
    """The run that bakes is stopped: the run before it, or the rules, serve all users."""
    status, candidate = context.status, context.status.candidate
    if candidate is None or candidate.bake is None or candidate.run_id != context.spec.run_id:
        return None
    if context.spec.canary.percent > 0:
        return None
    bake = candidate.bake.run(context.now, is_running=False)
    stopped = candidate.end_rollout(CandidateState.STOPPED, REASON).changed(bake=bake)
    to_rules = context.spec.rollback.to == "Rules" and status.stable is not None
    status = status.without_evidence().changed(
        candidate=stopped,
        stable=None if to_rules else status.stable,
        previous=status.stable if to_rules else status.previous,
        crashes=(),
    )
    message = f"Stopped in the bake: {REASON}; {serving(status)}. At 100 the bake goes on, without a new trial"
    return Transition(status, candidate.run_id, message, is_warning=True)


def ended_in_the_bake(context: Context, _protocol: Protocol) -> Transition | None:
    """The percent is 100 again: the run goes on with its bake, in a new stage."""
    stopped = _stopped_that_may_serve(context)
    if stopped is None or stopped.bake is None:
        return None
    spec = context.spec
    running = stopped.changed(
        state=CandidateState.RUNNING,
        reason="",
        percent=ALL_USERS,
        cap=ALL_USERS,
        holdback=spec.bake.holdback if spec.bake.duration else 0.0,
        thresholds=spec.thresholds,
        calibration=spec.calibration,
        template=context.template,
    )
    message = f"{stopped.run_id} goes on with its bake: spec.canary.percent is 100"
    return Transition(context.status.with_candidate(running), stopped.run_id, message)


def ended(context: Context, _protocol: Protocol) -> Transition | None:
    """The percent is 100 again: the stopped run, which pods still have loaded, serves all users at once."""
    status, stopped = context.status, _stopped_that_may_serve(context)
    if stopped is None or stopped.digest is None or stopped.bake is not None:
        return None
    status = status.without_evidence().changed(
        stable=rollback.in_use(stopped, stopped.digest, since=context.now), previous=status.stable, candidate=None
    )
    return Transition(status, stopped.run_id, f"{serving(status)} again: spec.canary.percent is 100")


def _stopped_that_may_serve(context: Context) -> Candidate | None:
    """Return the run that is stopped, if the spec wants it served again and pods are to have it loaded."""
    stopped, spec = context.status.candidate, context.spec
    if stopped is None or stopped.state is not CandidateState.STOPPED or stopped.run_id != spec.run_id:
        return None
    if spec.canary.percent < ALL_USERS or spec.digest not in (None, stopped.digest):
        return None
    is_loaded = any(run.run_id == stopped.run_id for run in context.status.pod_runs)
    return stopped if is_loaded else None


def is_stopped(status: Status) -> bool:
    """Return whether the run of the spec is stopped."""
    return status.candidate is not None and status.candidate.state is CandidateState.STOPPED
