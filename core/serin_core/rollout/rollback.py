"""Rules that take a run back. None of them asks whether anybody has confirmed anything."""

from serin_core import gates
from serin_core.api.durations import format_duration
from serin_core.api.status import Candidate, GateRole, RejectedRun, Status, TrialState
from serin_core.evidence import Verdict
from serin_core.rollout.protocol import Look, Protocol
from serin_core.rollout.transition import COUNT_ANEW, OVER, Move, source_of


def take_back_candidate(look: Look, *, reason: str) -> Status:
    """Answer the status once the run on trial has been taken back: stable or rules answer everybody."""
    status, candidate = look.status, look.status.candidate
    if candidate is None:
        return status
    over = candidate.model_copy(update=OVER | {"state": TrialState.ROLLED_BACK, "reason": reason})
    to_rules = look.spec.rollback.to == "Rules" and status.stable is not None
    return status.model_copy(
        update={
            "candidate": over,
            "rejected": _rejected(status, run_id=candidate.run_id, attempt=candidate.attempt, look=look, reason=reason),
            "stable": None if to_rules else status.stable,
            "previous": status.stable if to_rules else status.previous,
        }
    )


def take_back_stable(look: Look, *, reason: str) -> Status:
    """Answer the status once the stable run has been taken back: the run before it, or rules, answer everybody."""
    status, stable = look.status, look.status.stable
    if stable is None:
        return status
    follower = None if look.spec.rollback.to == "Rules" or status.previous is None else status.previous
    taken_back = Candidate(
        run_id=stable.run_id,
        digest=stable.digest,
        source=source_of(look.spec),
        thresholds=stable.thresholds,
        calibration=stable.calibration,
        state=TrialState.ROLLED_BACK,
        reason=reason,
        attempt_started_at=look.now,
    )
    trial = status.trial
    restarted = None if trial is None else trial.model_copy(update=COUNT_ANEW)
    return status.model_copy(
        update={
            "candidate": restarted or taken_back,
            "rejected": _rejected(status, run_id=stable.run_id, attempt=1, look=look, reason=reason),
            "stable": None if follower is None else follower.model_copy(update={"since": look.now}),
            "previous": None,
        }
    )


def _rejected(status: Status, *, run_id: str, attempt: int, look: Look, reason: str) -> tuple[RejectedRun, ...]:
    others = tuple(rejected for rejected in status.rejected if rejected.run_id != run_id)
    return (*others, RejectedRun(run_id=run_id, at=look.now, attempt=attempt, reason=reason))


def candidate_crashes(look: Look, protocol: Protocol) -> Move | None:
    """Its containers ended badly three times in ten minutes: no Prometheus is asked, no confirmation waited for."""
    candidate = look.status.candidate
    if candidate is None or not protocol.is_crashing(look):
        return None
    reason = f"containers that load it ended badly {len(look.status.crashes)} times in 10 minutes"
    status = take_back_candidate(look, reason=reason)
    without = tuple(run for run in status.pod_runs if run.run_id != candidate.run_id)
    status = status.model_copy(update={"pod_runs": without, "former_pod_runs": (), "crashes": ()})
    return Move(status, candidate.run_id, f"Rolled back: {reason}.", is_warning=True)


def brake_is_pulled(look: Look, _protocol: Protocol) -> Move | None:
    """`canary.percent: 0` for a promoted run."""
    stable = look.status.stable
    if look.spec.canary.percent > 0 or stable is None or stable.run_id != look.spec.run_id:
        return None
    reason = "spec.canary.percent is 0, the emergency brake"
    return Move(take_back_stable(look, reason=reason), stable.run_id, f"Rolled back: {reason}.", is_warning=True)


def gate_fails(look: Look, _protocol: Protocol) -> Move | None:
    """Evidence says that the run is worse than a gate allows."""
    candidate = look.status.candidate
    failed = [gate for gate in look.status.gates if gate.verdict is Verdict.FAIL and gate.role is not GateRole.DRY_RUN]
    if candidate is None or candidate.stage_started_at is None or candidate.promote_full or not failed:
        return None
    reason = "; ".join(gates.describe(gate) for gate in failed)
    return _taken_back(look, candidate, reason)


def stage_stays_undecided(look: Look, _protocol: Protocol) -> Move | None:
    """No verdict in maxDuration, and the spec wants the run back then."""
    candidate, analysis = look.status.candidate, look.spec.analysis
    if analysis.on_inconclusive != "Rollback" or not _is_watched(candidate) or candidate is None:
        return None
    if candidate.proven_at is not None:
        return None
    began = candidate.stage_started_at
    acting = [gate for gate in look.status.gates if gate.role is GateRole.ACTING]
    is_decided = bool(acting) and all(gate.verdict is Verdict.PASS for gate in acting)
    if began is None or look.now - began < analysis.max_duration or is_decided:
        return None
    waits = ", ".join(gate.name for gate in acting if gate.verdict is not Verdict.PASS) or "any gate"
    reason = f"no verdict of {waits} in {format_duration(analysis.max_duration)} (onInconclusive: Rollback)"
    return _taken_back(look, candidate, reason)


def stage_has_no_data(look: Look, _protocol: Protocol) -> Move | None:
    """No data for noDataTimeout, and the spec wants the run back then."""
    candidate, analysis, since = look.status.candidate, look.spec.analysis, look.status.no_data_since
    if analysis.on_no_data != "Rollback" or not _is_watched(candidate) or candidate is None or since is None:
        return None
    if look.now - since < analysis.no_data_timeout:
        return None
    return _taken_back(look, candidate, f"no data for {format_duration(analysis.no_data_timeout)} (onNoData: Rollback)")


def _is_watched(candidate: Candidate | None) -> bool:
    """Answer whether gates, and nobody else, decide of the stage."""
    return candidate is not None and candidate.stage_started_at is not None and not candidate.promote_full


def _taken_back(look: Look, candidate: Candidate, reason: str) -> Move:
    message = f"Rolled back at {candidate.percent:g} %: {reason}."
    return Move(take_back_candidate(look, reason=reason), candidate.run_id, message, is_warning=True)
