"""Numbers of attempts: those of a run count on, also after another run was named in between."""

from serin_core.api.attempts import MAX_RUNS, RunAttempts
from serin_core.api.status import Status


def last_attempt(status: Status, run_id: str) -> int:
    """Return the number of the last attempt to roll a run out, 0 before the first."""
    numbers = [entry.attempt for entry in status.attempts if entry.run_id == run_id]
    numbers += [entry.attempt for entry in status.rejected if entry.run_id == run_id]
    if status.candidate is not None and status.candidate.run_id == run_id:
        numbers.append(status.candidate.attempt)
    return max(numbers, default=0)


def next_attempt(status: Status, run_id: str) -> int:
    """Return the number of the attempt that begins."""
    return last_attempt(status, run_id) + 1


def present_attempt(status: Status, run_id: str) -> int:
    """Return the number of the last attempt; 1 for a run of which none is known."""
    return max(1, last_attempt(status, run_id))


def note_attempt(status: Status) -> Status:
    """Return the status with the attempt of its candidate, as the newest of those that are kept."""
    candidate = status.candidate
    if candidate is None:
        return status
    entry = RunAttempts(run_id=candidate.run_id, attempt=candidate.attempt)
    if status.attempts[-1:] == (entry,):
        return status
    others = tuple(one for one in status.attempts if one.run_id != candidate.run_id)
    return status.changed(attempts=(*others[-(MAX_RUNS - 1) :], entry))
