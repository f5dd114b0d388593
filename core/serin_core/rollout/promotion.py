"""Rules that move forward: start a stage's clock, raise the share, promote. Each asks every pod's confirmation anew."""

from datetime import timedelta

from serin_core import gates
from serin_core.api.durations import format_duration
from serin_core.api.status import Candidate, GateRole, RunInUse, Status
from serin_core.evidence import Verdict
from serin_core.rollout.canary_steps import effective_steps, next_step, soak_elapsed, soak_of
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import EVERYBODY, NO_EVIDENCE, STAGE_RESET, Transition, on_trial


def stage_is_confirmed(context: Context, protocol: Protocol) -> Transition | None:
    """Every pod serves the stage's routing and has the run: the clock starts, and counts are evidence."""
    candidate = context.status.candidate
    if candidate is None or candidate.stage is None or candidate.stage_started_at is not None:
        return None
    if not protocol.may_move_forward(context):
        return None
    soaking_since = None if context.spec.suspend else context.now
    started = candidate.model_copy(
        update={"stage_started_at": context.now, "soak_elapsed": 0.0, "soaking_since": soaking_since}
    )
    place = "Shadow" if candidate.percent == 0 else f"{candidate.percent:g} %"
    return Transition(on_trial(context, started), candidate.run_id, f"{place}: every pod confirms, the clock starts.")


def is_proven(context: Context) -> bool:
    """Answer whether the stage may end: soak over, and every acting gate passes in this very look."""
    candidate = context.status.candidate
    if candidate is None or candidate.stage_started_at is None or context.spec.suspend:
        return False
    if candidate.promote_full:
        return True
    acting = [gate for gate in context.status.gates if gate.role is GateRole.ACTING]
    return has_soaked(context, candidate) and bool(acting) and all(gate.verdict is Verdict.PASS for gate in acting)


def has_soaked(context: Context, candidate: Candidate) -> bool:
    """Answer whether the least time of the present stage is over."""
    return soak_elapsed(candidate, now=context.now) >= soak_of(context.spec.canary, percent=candidate.percent)


def may_go_without_proof(context: Context) -> bool:
    """Answer whether maxDuration is over and the spec lets the stage end unproven: no estimate lies on the bad side."""
    candidate, analysis = context.status.candidate, context.spec.analysis
    if (
        candidate is None
        or candidate.stage_started_at is None
        or context.spec.suspend
        or candidate.proven_at is not None
    ):
        return False
    acting = [gate for gate in context.status.gates if gate.role is GateRole.ACTING]
    is_late = context.now - candidate.stage_started_at >= analysis.max_duration and has_soaked(context, candidate)
    return (
        analysis.on_inconclusive == "Promote"
        and is_late
        and bool(acting)
        and not any(map(gates.is_on_bad_side, acting))
    )


def _proof(context: Context) -> str:
    return (
        ""
        if is_proven(context)
        else f" without proof: no verdict in {format_duration(context.spec.analysis.max_duration)}"
    )


def _may_end(context: Context) -> bool:
    return is_proven(context) or may_go_without_proof(context)


def stage_is_proven(context: Context, protocol: Protocol) -> Transition | None:
    """The next step follows."""
    candidate = context.status.candidate
    if candidate is None or not _may_end(context) or not protocol.may_move_forward(context):
        return None
    higher = next_step(context.spec.canary, percent=candidate.percent)
    if higher is None:
        return None
    if candidate.promote_full:
        higher = effective_steps(context.spec.canary)[-1]
    return Transition(
        raise_to(context, higher),
        candidate.run_id,
        f"Raised from {candidate.percent:g} to {higher:g} %{_proof(context)}.",
    )


def last_stage_is_proven(context: Context, protocol: Protocol) -> Transition | None:
    """All users have it, and it is proven there: it becomes the stable run."""
    candidate = context.status.candidate
    if (
        candidate is None
        or candidate.percent < EVERYBODY
        or not _may_end(context)
        or not protocol.may_move_forward(context)
    ):
        return None
    return Transition(promote(context), candidate.run_id, f"Promoted{_proof(context)}: it is the stable run now.")


def cap_is_proven(context: Context, protocol: Protocol) -> Transition | None:
    """Proven at a cap below 100 %: it stays there, and the gates go on watching."""
    candidate = context.status.candidate
    if candidate is None or candidate.proven_at is not None or not is_proven(context):
        return None
    if next_step(context.spec.canary, percent=candidate.percent) is not None or not protocol.may_move_forward(context):
        return None
    proven = candidate.model_copy(update={"proven_at": context.now, "promote_full": False})
    return Transition(on_trial(context, proven), candidate.run_id, f"Proven at its cap of {candidate.percent:g} %.")


def raise_to(context: Context, percent: float) -> Status:
    """Answer the status one step higher; its counts start from zero."""
    candidate = context.status.candidate
    if candidate is None:
        return context.status
    return on_trial(context, candidate.model_copy(update=STAGE_RESET | {"percent": percent}))


def promote(context: Context) -> Status:
    """Answer the status in which the candidate is the stable run, and the one before it stays loaded."""
    status, candidate = context.status, context.status.candidate
    if candidate is None or candidate.digest is None:
        return status
    stable = RunInUse(
        run_id=candidate.run_id,
        digest=candidate.digest,
        since=context.now,
        thresholds=candidate.thresholds,
        calibration=candidate.calibration,
    )
    return status.model_copy(
        update={
            **NO_EVIDENCE,
            # What was proven stays to be seen.
            "gates": status.gates,
            "stable": stable,
            "previous": status.stable,
            "candidate": None,
            "crashes": (),
        }
    )


def soaking(context: Context) -> Status:
    """Answer the status with the soak stopped while suspended, and running again afterwards."""
    candidate = context.status.candidate
    if candidate is None or candidate.stage_started_at is None:
        return context.status
    if context.spec.suspend and candidate.soaking_since is not None:
        update: dict[str, object] = {
            "soak_elapsed": soak_elapsed(candidate, now=context.now) / timedelta(seconds=1),
            "soaking_since": None,
        }
    elif not context.spec.suspend and candidate.soaking_since is None:
        update = {"soaking_since": context.now}
    else:
        return context.status
    return context.status.model_copy(update={"candidate": candidate.model_copy(update=update)})
