"""Rules that take a run back. None of them asks whether anybody has confirmed anything."""

from serin_core import gates
from serin_core.api.durations import format_duration
from serin_core.api.status import Candidate, GateRole, RejectedRun, Status, TrialState
from serin_core.evidence import Verdict
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import STAGE_RESET, TRIAL_ENDED, Transition, source_of


def take_back_candidate(context: Context, *, reason: str) -> Status:
    """Answer the status once the run on trial has been taken back: stable or rules answer everybody."""
    status, candidate = context.status, context.status.candidate
    if candidate is None:
        return status
    over = candidate.model_copy(update=TRIAL_ENDED | {"state": TrialState.ROLLED_BACK, "reason": reason})
    to_rules = context.spec.rollback.to == "Rules" and status.stable is not None
    return status.model_copy(
        update={
            "candidate": over,
            "rejected": _rejected(
                status, run_id=candidate.run_id, attempt=candidate.attempt, context=context, reason=reason
            ),
            "stable": None if to_rules else status.stable,
            "previous": status.stable if to_rules else status.previous,
        }
    )


def take_back_stable(context: Context, *, reason: str) -> Status:
    """Answer the status once the stable run has been taken back: the run before it, or rules, answer everybody."""
    status, stable = context.status, context.status.stable
    if stable is None:
        return status
    follower = None if context.spec.rollback.to == "Rules" or status.previous is None else status.previous
    taken_back = Candidate(
        run_id=stable.run_id,
        digest=stable.digest,
        source=source_of(context.spec),
        thresholds=stable.thresholds,
        calibration=stable.calibration,
        state=TrialState.ROLLED_BACK,
        reason=reason,
        attempt_started_at=context.now,
    )
    trial = status.trial
    restarted = None if trial is None else trial.model_copy(update=STAGE_RESET)
    return status.model_copy(
        update={
            "candidate": restarted or taken_back,
            "rejected": _rejected(status, run_id=stable.run_id, attempt=1, context=context, reason=reason),
            "stable": None if follower is None else follower.model_copy(update={"since": context.now}),
            "previous": None,
        }
    )


def _rejected(status: Status, *, run_id: str, attempt: int, context: Context, reason: str) -> tuple[RejectedRun, ...]:
    others = tuple(rejected for rejected in status.rejected if rejected.run_id != run_id)
    return (*others, RejectedRun(run_id=run_id, at=context.now, attempt=attempt, reason=reason))


def candidate_crashes(context: Context, protocol: Protocol) -> Transition | None:
    """Its containers ended badly three times in ten minutes: no Prometheus is asked, no confirmation waited for."""
    candidate = context.status.candidate
    if candidate is None or not protocol.is_crashing(context):
        return None
    reason = f"containers that load it ended badly {len(context.status.crashes)} times in 10 minutes"
    status = take_back_candidate(context, reason=reason)
    without = tuple(run for run in status.pod_runs if run.run_id != candidate.run_id)
    status = status.model_copy(update={"pod_runs": without, "former_pod_runs": (), "crashes": ()})
    return Transition(status, candidate.run_id, f"Rolled back: {reason}.", is_warning=True)


def emergency_stop_requested(context: Context, _protocol: Protocol) -> Transition | None:
    """`canary.percent: 0` for a promoted run."""
    stable = context.status.stable
    if context.spec.canary.percent > 0 or stable is None or stable.run_id != context.spec.run_id:
        return None
    reason = "spec.canary.percent is 0, the emergency brake"
    return Transition(
        take_back_stable(context, reason=reason), stable.run_id, f"Rolled back: {reason}.", is_warning=True
    )


def gate_fails(context: Context, _protocol: Protocol) -> Transition | None:
    """Evidence says that the run is worse than a gate allows."""
    candidate = context.status.candidate
    failed = [
        gate for gate in context.status.gates if gate.verdict is Verdict.FAIL and gate.role is not GateRole.DRY_RUN
    ]
    if candidate is None or candidate.stage_started_at is None or candidate.promote_full or not failed:
        return None
    reason = "; ".join(gates.describe(gate) for gate in failed)
    return _taken_back(context, candidate, reason)


def stage_stays_undecided(context: Context, _protocol: Protocol) -> Transition | None:
    """No verdict in maxDuration, and the spec wants the run back then."""
    candidate, analysis = context.status.candidate, context.spec.analysis
    if analysis.on_inconclusive != "Rollback" or not _is_watched(candidate) or candidate is None:
        return None
    if candidate.proven_at is not None:
        return None
    began = candidate.stage_started_at
    acting = [gate for gate in context.status.gates if gate.role is GateRole.ACTING]
    is_decided = bool(acting) and all(gate.verdict is Verdict.PASS for gate in acting)
    if began is None or context.now - began < analysis.max_duration or is_decided:
        return None
    waits = ", ".join(gate.name for gate in acting if gate.verdict is not Verdict.PASS) or "any gate"
    reason = f"no verdict of {waits} in {format_duration(analysis.max_duration)} (onInconclusive: Rollback)"
    return _taken_back(context, candidate, reason)


def stage_has_no_data(context: Context, _protocol: Protocol) -> Transition | None:
    """No data for noDataTimeout, and the spec wants the run back then."""
    candidate, analysis, since = context.status.candidate, context.spec.analysis, context.status.no_data_since
    if analysis.on_no_data != "Rollback" or not _is_watched(candidate) or candidate is None or since is None:
        return None
    if context.now - since < analysis.no_data_timeout:
        return None
    return _taken_back(
        context, candidate, f"no data for {format_duration(analysis.no_data_timeout)} (onNoData: Rollback)"
    )


def _is_watched(candidate: Candidate | None) -> bool:
    """Answer whether gates, and nobody else, decide of the stage."""
    return candidate is not None and candidate.stage_started_at is not None and not candidate.promote_full


def _taken_back(context: Context, candidate: Candidate, reason: str) -> Transition:
    message = f"Rolled back at {candidate.percent:g} %: {reason}."
    return Transition(take_back_candidate(context, reason=reason), candidate.run_id, message, is_warning=True)
