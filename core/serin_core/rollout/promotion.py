"""Rules that move forward: start a stage, advance a step, promote. Each needs the confirmation of every pod."""

from serin_core.api.clock import StoppableClock
from serin_core.api.durations import format_duration
from serin_core.api.status import Candidate, Status
from serin_core.gates import messages
from serin_core.rollout import rollback
from serin_core.rollout.canary_steps import effective_steps, next_step, soak_of
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import ALL_USERS, Transition


def stage_is_confirmed(context: Context, protocol: Protocol) -> Transition | None:
    """Every pod serves the stage's routing and has loaded the run: soak and counting start."""
    candidate = context.status.candidate
    if candidate is None or candidate.stage is None or candidate.stage_started_at is not None:
        return None
    if not protocol.may_move_forward(context):
        return None
    soak_clock = StoppableClock(running_since=None if context.is_stopped else context.now)
    started = candidate.changed(stage_started_at=context.now).with_soak(soak_clock)
    stage = "Shadow stage" if candidate.percent == 0 else f"Stage {candidate.percent:g} %"
    soak = format_duration(soak_of(context.spec.canary, percent=candidate.percent))
    stopped = f"the soak timer is stopped ({_stopped_by(context)})"
    timer = stopped if context.is_stopped else f"the soak of {soak} starts now"
    status = context.status.with_candidate(started)
    return Transition(status, candidate.run_id, f"{stage} started: all pods serve it; {timer}")


def _stopped_by(context: Context) -> str:
    return "spec.suspend" if context.spec.suspend else "paused"


def is_proven(context: Context) -> bool:
    """Return whether the stage may end: the soak is over, and every acting gate passes at this check."""
    candidate = context.status.candidate
    if candidate is None or candidate.stage_started_at is None or context.is_stopped:
        return False
    return bool(candidate.promote_full) or (has_soaked(context, candidate) and context.has_passed)


def has_soaked(context: Context, candidate: Candidate) -> bool:
    """Return whether the minimum time of the current stage is over."""
    return candidate.soak.at(context.now) >= soak_of(context.spec.canary, percent=candidate.percent)


def may_end_unproven(context: Context) -> bool:
    """Return whether the stage may end without a verdict.

    That is after maxDuration where `onInconclusive` is Promote and no estimate is on the bad side of its bound.
    """
    candidate, analysis = context.status.candidate, context.spec.analysis
    if candidate is None or context.is_stopped or candidate.proven_at is not None:
        return False
    is_late = context.is_overdue and has_soaked(context, candidate)
    has_bad_estimate = any(map(messages.is_on_bad_side, context.acting_gates))
    return analysis.on_inconclusive == "Promote" and is_late and bool(context.acting_gates) and not has_bad_estimate


def forward(context: Context, candidate: Candidate, status: Status, message: str) -> Transition:
    """Return a transition whose message says on what evidence it is made."""
    if candidate.promote_full:
        message += f" without evidence, requested with promote-full: {candidate.promote_full}"
    elif not is_proven(context):
        message += f" without proof: no verdict in {format_duration(context.spec.analysis.max_duration)}"
    is_proven_by_gates = is_proven(context) and not candidate.promote_full
    return Transition(status, candidate.run_id, message, is_proven=is_proven_by_gates)


def is_over(context: Context) -> bool:
    """Return whether the stage may end, with or without a verdict; a hold may still delay the next step."""
    return is_proven(context) or may_end_unproven(context)


def may_end(context: Context, protocol: Protocol) -> bool:
    """Return whether the stage may end: proven, or unproven where the spec allows it, and confirmed by all pods."""
    return is_over(context) and protocol.may_move_forward(context)


def may_step(context: Context, protocol: Protocol) -> bool:
    """Return whether the next step, or the promotion, may begin: the stage may end, and nothing holds what follows."""
    return may_end(context, protocol) and protocol.held_by(context) is None


def stage_is_proven(context: Context, protocol: Protocol) -> Transition | None:
    """The stage may end: the next step follows."""
    candidate = context.status.candidate
    if candidate is None or not may_step(context, protocol):
        return None
    higher = next_step(context.spec.canary, percent=candidate.percent)
    if higher is None:
        return None
    if candidate.promote_full:
        higher = effective_steps(context.spec.canary)[-1]
    if not protocol.has_passed_checks(context, higher):
        return None
    status = advance_to(context, candidate, higher)
    return forward(context, candidate, status, f"Advanced from {candidate.percent:g} % to {higher:g} %")


def last_stage_is_proven(context: Context, protocol: Protocol) -> Transition | None:
    """The last stage may end, and no bake follows: the candidate becomes the stable run."""
    candidate = context.status.candidate
    if candidate is None or candidate.percent < ALL_USERS or not may_step(context, protocol):
        return None
    if candidate.bake is not None or (context.spec.bake.duration and not candidate.promote_full):
        return None
    return forward(context, candidate, promote(context), f"{candidate.run_id} promoted to stable")


def cap_is_proven(context: Context, protocol: Protocol) -> Transition | None:
    """Proven at a cap below 100 %: it stays there, and its gates are still watched."""
    candidate = context.status.candidate
    if candidate is None or candidate.percent >= ALL_USERS or candidate.proven_at or not is_proven(context):
        return None
    if next_step(context.spec.canary, percent=candidate.percent) is not None or not protocol.may_move_forward(context):
        return None
    status = context.status.with_candidate(candidate.changed(proven_at=context.now, promote_full=""))
    message = f"Stays at the cap of {candidate.percent:g} % (spec.canary.percent)"
    return forward(context, candidate, status, message if candidate.promote_full else f"{message}, proven there")


def advance_to(context: Context, candidate: Candidate, percent: float) -> Status:
    """Return the status at another step; its counts start from zero."""
    return context.status.with_candidate(candidate.restart_stage().changed(percent=percent))


def promote(context: Context) -> Status:
    """Return the status with the candidate as the stable run; the one before stays loaded as the previous run."""
    status, candidate = context.status, context.status.candidate
    if candidate is None or candidate.digest is None:
        return status
    stable = rollback.in_use(candidate, candidate.digest, since=context.now)
    promoted = status.without_evidence().changed(stable=stable, previous=status.stable, candidate=None, crashes=())
    return promoted.changed(gates=status.gates)  # the evidence stays visible


def update_soak(context: Context) -> Status:
    """Return the status with the soak timer stopped while suspended or paused, and running again afterwards."""
    candidate = context.status.candidate
    if candidate is None or candidate.stage_started_at is None:
        return context.status
    soak = candidate.soak.run(context.now, is_running=not context.is_stopped)
    return context.status.changed(candidate=candidate.with_soak(soak))
