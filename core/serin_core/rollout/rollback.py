"""Rules that roll a run back. None of them waits for a confirmation by pods."""

from datetime import datetime
from typing import Final

from serin_core.api.base import shortened
from serin_core.api.durations import format_duration
from serin_core.api.status import Candidate, CandidateState, RejectedRun, RunInUse, Status
from serin_core.gates import messages
from serin_core.rollout.attempts import present_attempt
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import Transition, source_of

MAX_REJECTED: Final = 100
"""Runs that are known to have been rolled back; the oldest are forgotten."""

MAX_REJECTED_REASON: Final = 300
"""Characters of why; while it is the last candidate, its status has more."""


def roll_back_candidate(context: Context, *, reason: str) -> Status:
    """Return the status after a rollback of the candidate: the stable run, or the rules, serve all users."""
    status, candidate = context.status, context.status.candidate
    if candidate is None:
        return status
    to_rules = context.spec.rollback.to == "Rules" and status.stable is not None
    return status.changed(
        candidate=candidate.end_rollout(CandidateState.ROLLED_BACK, reason),
        rejected=_rejected(context, run_id=candidate.run_id, attempt=candidate.attempt, reason=reason),
        stable=None if to_rules else status.stable,
        previous=status.stable if to_rules else status.previous,
    )


def roll_back_stable(context: Context, *, reason: str) -> Status:
    """Return the status after a rollback of the stable run: the run before it, or the rules, serve all users.

    A rollout that is under way starts its stage again, compared with the run that serves then.
    """
    status, stable, rollout = context.status, context.status.stable, context.status.rollout
    if stable is None:
        return status
    follower = None if context.spec.rollback.to == "Rules" else status.previous
    ended = former_stable(context, stable, CandidateState.ROLLED_BACK, reason)
    stopped = status.candidate if status.candidate and status.candidate.state is CandidateState.STOPPED else None
    return status.changed(
        candidate=(stopped or ended) if rollout is None else rollout.restart_stage(),
        rejected=_rejected(context, run_id=stable.run_id, attempt=ended.attempt, reason=reason),
        stable=None if follower is None else follower.serving_since(context.now),
        previous=None,
    )


def former_stable(context: Context, stable: RunInUse, state: CandidateState, reason: str) -> Candidate:
    """Return the stable run as a candidate whose rollout is over: rolled back, or stopped."""
    return Candidate(
        run_id=stable.run_id,
        digest=stable.digest,
        source=source_of(context.spec),
        thresholds=stable.thresholds,
        calibration=stable.calibration,
        state=state,
        reason=reason,
        attempt=present_attempt(context.status, stable.run_id),
        attempt_started_at=context.now,
    )


def in_use(candidate: Candidate, digest: str, *, since: datetime) -> RunInUse:
    """Return a candidate as a run that serves users, with the settings under which it is used."""
    return RunInUse(
        run_id=candidate.run_id,
        digest=digest,
        since=since,
        thresholds=candidate.thresholds,
        calibration=candidate.calibration,
    )


def _rejected(context: Context, *, run_id: str, attempt: int, reason: str) -> tuple[RejectedRun, ...]:
    others = tuple(rejected for rejected in context.status.rejected if rejected.run_id != run_id)
    rejected = RejectedRun(
        run_id=run_id, at=context.now, attempt=attempt, reason=shortened(reason, MAX_REJECTED_REASON)
    )
    return (*others[-(MAX_REJECTED - 1) :], rejected)


def candidate_crashes(context: Context, protocol: Protocol) -> Transition | None:
    """Rule 8: its containers crashed three times in ten minutes. Needs neither Prometheus nor a confirmation."""
    candidate = context.status.candidate
    if candidate is None or not protocol.is_crashing(context):
        return None
    reason = f"containers that load it crashed {len(context.status.crashes)} times in 10 minutes"
    found = rolled_back(context, candidate, reason)
    without = tuple(run for run in context.status.pod_runs if run.run_id != candidate.run_id)
    status = found.status.changed(pod_runs=without, former_pod_runs=(), crashes=())
    return Transition(status, candidate.run_id, found.message, is_warning=True)


def gate_fails(context: Context, _protocol: Protocol) -> Transition | None:
    """A gate failed: the run is worse than the gate allows."""
    candidate, failed = _watched_candidate(context), context.failed_gates
    if candidate is None or not failed:
        return None
    return rolled_back(context, candidate, "; ".join(map(messages.describe, failed)))


def stage_stays_undecided(context: Context, _protocol: Protocol) -> Transition | None:
    """No verdict in maxDuration, and `onInconclusive` is Rollback."""
    candidate, analysis = _watched_candidate(context), context.spec.analysis
    if candidate is None or analysis.on_inconclusive != "Rollback" or candidate.proven_at or candidate.bake:
        return None
    if not context.is_overdue or context.has_passed:
        return None
    waits = ", ".join(context.undecided_gates) or "any gate"
    reason = f"no verdict of {waits} in {format_duration(analysis.max_duration)} (onInconclusive: Rollback)"
    return rolled_back(context, candidate, reason)


def stage_has_no_data(context: Context, _protocol: Protocol) -> Transition | None:
    """No data for noDataTimeout, and `onNoData` is Rollback."""
    candidate, analysis, since = _watched_candidate(context), context.spec.analysis, context.status.no_data_since
    if candidate is None or analysis.on_no_data != "Rollback" or since is None:
        return None
    if context.now - since < analysis.no_data_timeout:
        return None
    reason = f"no data for {format_duration(analysis.no_data_timeout)} (onNoData: Rollback)"
    return rolled_back(context, candidate, reason)


def _watched_candidate(context: Context) -> Candidate | None:
    """Return the candidate of a started stage, None where a promote-full request skips the metric gates."""
    rollout = context.status.rollout
    return None if rollout is None or rollout.stage_started_at is None or rollout.promote_full else rollout


def rolled_back(context: Context, candidate: Candidate, reason: str) -> Transition:
    """Return the transition that rolls the candidate back for a reason, with a message that names the percent."""
    status = roll_back_candidate(context, reason=reason)
    share = f"from {candidate.served_percent:g} % to 0 %"
    place = f"in the bake, {share}" if candidate.bake else share if candidate.percent else "before any user was served"
    return Transition(status, candidate.run_id, f"Rolled back {place}: {reason}", is_warning=True)
