"""Rules that move forward: start a stage's clock, raise the share, promote. Each asks every pod's confirmation anew."""

from datetime import timedelta

from serin_core import gates
from serin_core.api.durations import format_duration
from serin_core.api.status import Candidate, GateRole, RunInUse, Status
from serin_core.evidence import Verdict
from serin_core.rollout.canary_steps import ladder, next_step, soak_of, soaked
from serin_core.rollout.protocol import Look, Protocol
from serin_core.rollout.transition import COUNT_ANEW, EVERYBODY, NO_EVIDENCE, Move, on_trial


def stage_is_confirmed(look: Look, protocol: Protocol) -> Move | None:
    """Every pod serves the stage's routing and has the run: the clock starts, and counts are evidence."""
    candidate = look.status.candidate
    if candidate is None or candidate.stage is None or candidate.stage_started_at is not None:
        return None
    if not protocol.may_move_forward(look):
        return None
    soaking_since = None if look.spec.suspend else look.now
    started = candidate.model_copy(update={"stage_started_at": look.now, "soaked": 0.0, "soaking_since": soaking_since})
    place = "Shadow" if candidate.percent == 0 else f"{candidate.percent:g} %"
    return Move(on_trial(look, started), candidate.run_id, f"{place}: every pod confirms, the clock starts.")


def is_proven(look: Look) -> bool:
    """Answer whether the stage may end: soak over, and every acting gate passes in this very look."""
    candidate = look.status.candidate
    if candidate is None or candidate.stage_started_at is None or look.spec.suspend:
        return False
    if candidate.promote_full:
        return True
    acting = [gate for gate in look.status.gates if gate.role is GateRole.ACTING]
    return has_soaked(look, candidate) and bool(acting) and all(gate.verdict is Verdict.PASS for gate in acting)


def has_soaked(look: Look, candidate: Candidate) -> bool:
    """Answer whether the least time of the present stage is over."""
    return soaked(candidate, now=look.now) >= soak_of(look.spec.canary, percent=candidate.percent)


def may_go_without_proof(look: Look) -> bool:
    """Answer whether maxDuration is over and the spec lets the stage end unproven: no estimate lies on the bad side."""
    candidate, analysis = look.status.candidate, look.spec.analysis
    if candidate is None or candidate.stage_started_at is None or look.spec.suspend or candidate.proven_at is not None:
        return False
    acting = [gate for gate in look.status.gates if gate.role is GateRole.ACTING]
    is_late = look.now - candidate.stage_started_at >= analysis.max_duration and has_soaked(look, candidate)
    return (
        analysis.on_inconclusive == "Promote"
        and is_late
        and bool(acting)
        and not any(map(gates.is_on_bad_side, acting))
    )


def _proof(look: Look) -> str:
    return (
        "" if is_proven(look) else f" without proof: no verdict in {format_duration(look.spec.analysis.max_duration)}"
    )


def _may_end(look: Look) -> bool:
    return is_proven(look) or may_go_without_proof(look)


def stage_is_proven(look: Look, protocol: Protocol) -> Move | None:
    """The next step follows."""
    candidate = look.status.candidate
    if candidate is None or not _may_end(look) or not protocol.may_move_forward(look):
        return None
    higher = next_step(look.spec.canary, percent=candidate.percent)
    if higher is None:
        return None
    if candidate.promote_full:
        higher = ladder(look.spec.canary)[-1]
    return Move(
        raise_to(look, higher), candidate.run_id, f"Raised from {candidate.percent:g} to {higher:g} %{_proof(look)}."
    )


def last_stage_is_proven(look: Look, protocol: Protocol) -> Move | None:
    """All users have it, and it is proven there: it becomes the stable run."""
    candidate = look.status.candidate
    if candidate is None or candidate.percent < EVERYBODY or not _may_end(look) or not protocol.may_move_forward(look):
        return None
    return Move(promote(look), candidate.run_id, f"Promoted{_proof(look)}: it is the stable run now.")


def cap_is_proven(look: Look, protocol: Protocol) -> Move | None:
    """Proven at a cap below 100 %: it stays there, and the gates go on watching."""
    candidate = look.status.candidate
    if candidate is None or candidate.proven_at is not None or not is_proven(look):
        return None
    if next_step(look.spec.canary, percent=candidate.percent) is not None or not protocol.may_move_forward(look):
        return None
    proven = candidate.model_copy(update={"proven_at": look.now, "promote_full": False})
    return Move(on_trial(look, proven), candidate.run_id, f"Proven at its cap of {candidate.percent:g} %.")


def raise_to(look: Look, percent: float) -> Status:
    """Answer the status one step higher; its counts start from zero."""
    candidate = look.status.candidate
    if candidate is None:
        return look.status
    return on_trial(look, candidate.model_copy(update=COUNT_ANEW | {"percent": percent}))


def promote(look: Look) -> Status:
    """Answer the status in which the candidate is the stable run, and the one before it stays loaded."""
    status, candidate = look.status, look.status.candidate
    if candidate is None or candidate.digest is None:
        return status
    stable = RunInUse(
        run_id=candidate.run_id,
        digest=candidate.digest,
        since=look.now,
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


def soaking(look: Look) -> Status:
    """Answer the status with the soak stopped while suspended, and running again afterwards."""
    candidate = look.status.candidate
    if candidate is None or candidate.stage_started_at is None:
        return look.status
    if look.spec.suspend and candidate.soaking_since is not None:
        update: dict[str, object] = {
            "soaked": soaked(candidate, now=look.now) / timedelta(seconds=1),
            "soaking_since": None,
        }
    elif not look.spec.suspend and candidate.soaking_since is None:
        update = {"soaking_since": look.now}
    else:
        return look.status
    return look.status.model_copy(update={"candidate": candidate.model_copy(update=update)})
