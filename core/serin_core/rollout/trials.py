"""Trials: their number, the evidence of each transition, and the time that a rollback takes.

A trial is one rollout of one run. It lasts until the next one starts, so that what happens to a promoted run belongs
to the trial that promoted it.
"""

from serin_core.api.gate_status import GateStatus
from serin_core.api.record import RollbackTime, TransitionRecord
from serin_core.api.status import Candidate, HistoryEntry, Status
from serin_core.rollout.protocol import Context
from serin_core.rollout.table import Row
from serin_core.rollout.transition import ALL_USERS, Transition


def gates_of_the_stage(context: Context) -> tuple[GateStatus, ...]:
    """Return every gate of the stage that is running, () outside of a stage."""
    return context.status.gates if context.stage_started_at is not None else ()


def transition_record(context: Context, entry: HistoryEntry) -> TransitionRecord:
    """Return what is recorded of a transition, from the context in which its rule held."""
    rollout = context.status.rollout
    return TransitionRecord(
        at=entry.at,
        run_id=entry.run_id,
        event=entry.event,
        message=entry.message,
        by=entry.by,
        stage=None if rollout is None else rollout.stage,
        percent_before=percent_of(context.status, entry.run_id),
        percent=entry.percent,
        gates=gates_of_the_stage(context),
    )


def percent_of(status: Status, run_id: str) -> float:
    """Return the percent of users that a run serves: all of them if it is the stable run."""
    if status.stable is not None and status.stable.run_id == run_id:
        return ALL_USERS
    return status.rollout.served_percent if status.rollout is not None and status.rollout.run_id == run_id else 0.0


def number(context: Context, *, before: Status) -> Status:
    """Return the status with the next number where a trial starts in this pass."""
    status, was = context.status, before.candidate
    if status.rollout is None or (was is not None and _identity(was) == _identity(status.rollout)):
        return status
    return status.changed(trial=status.trial + 1)


def _identity(rollout: Candidate) -> tuple[object, ...]:
    return rollout.run_id, rollout.attempt, rollout.attempt_started_at


def note_rollback(context: Context, *, before: Status, taken: tuple[Row, Transition] | None) -> Status:
    """Return the status with a rollback that began in this pass, or that every pod has now confirmed."""
    status, wanted = context.status, context.status.propagation
    if taken is not None and wanted.revision > before.propagation.revision and wanted.withdraws_run:
        row, transition = taken
        if transition.is_warning and transition.run_id in _served(before) - _served(status):
            begun = RollbackTime(
                run_id=transition.run_id,
                event=row.event,
                at=context.now,
                revision=wanted.revision,
                trial=status.trial,
            )
            return status.changed(rollback=begun)
    last, confirmed_at = status.rollback, wanted.confirmed_at
    if last is None or last.confirmed_at is not None or confirmed_at is None or wanted.revision < last.revision:
        return status
    return status.changed(rollback=last.confirmed(confirmed_at))


def _served(status: Status) -> set[str]:
    """Return the runs that may serve users."""
    return {run.run_id for run in (status.stable, status.rollout) if run is not None}
