"""Counts that a status has gained are written every few minutes; everything else in it at once (rule 3).

Until then the operator that has read them decides on them. One that starts again, or another one, goes on from the
status in the cluster, and reads the same counts again: they are cumulative. A write costs the API server more than all
else that a check does.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

from serin_core.api.gate_status import GateMemory, GateStatus
from serin_core.api.resource import Resource, Unwritten
from serin_core.api.status import Status

WRITE_COUNTS_EVERY: Final = timedelta(minutes=2)
"""The longest time by which the counts in the cluster are older than those of the last check."""
WRITE_CHECKPOINT_EVERY: Final = timedelta(hours=1)
"""The same where nothing was counted, so that only the time moves from which on the next check reads."""
_SHOWN: Final = ("gates", "memory", "actual_share")
_COUNTED: Final = (*_SHOWN, "checkpoint")
_NUMBERS: Final = {
    "good": None,
    "total": None,
    "estimate": None,
    "lower": None,
    "upper": None,
    "late_harm": None,
    "needed": None,
    "detail": "",
}
"""Fields of a gate that change with each count, without their values."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest status of a resource, where the cluster has an older one."""

    uid: str
    status: Status
    unwritten: Unwritten

    @classmethod
    def of(cls, resource: Resource, status: Status, unwritten: Unwritten | None) -> Self | None:
        """Return what is to be kept of a decision, None if its status is in the cluster."""
        return None if unwritten is None else cls(resource.uid, status, unwritten)

    def over(self, read: Resource) -> Resource:
        """Return a resource with the newest status, unless another status was written over the one that it is from."""
        is_same = read.uid == self.uid and read.status == self.unwritten.written
        return replace(read, status=self.status, unwritten=self.unwritten) if is_same else read


def unwritten(resource: Resource, status: Status, *, now: datetime, next_check: timedelta) -> Unwritten | None:
    """Return since when a status waits that has nothing but newer counts; None if it is written now, or equal.

    It is written while the next check would come too late for it.
    """
    written = resource.written
    if written is None or status == written or not _has_only_counted(written, status):
        return None
    since = now if resource.unwritten is None else resource.unwritten.since
    has_news = any(getattr(written, name) != getattr(status, name) for name in _SHOWN)
    longest = WRITE_COUNTS_EVERY if has_news else WRITE_CHECKPOINT_EVERY
    return Unwritten(written, since) if now + next_check - since <= longest else None


def _has_only_counted(written: Status, status: Status) -> bool:
    """Return whether nothing else has changed: no verdict, no reason and no first count."""
    counted = {name: getattr(status, name) for name in _COUNTED}
    return written.model_copy(update=counted) == status and _state(written) == _state(status)


def _state(status: Status) -> tuple[object, ...]:
    """Return what does not change with each count."""
    return (
        tuple(map(_state_of_gate, status.gates)),
        {name: _state_of_memory(memory) for name, memory in status.memory.items()},
        status.checkpoint is None,
        status.actual_share is None,
    )


def _state_of_gate(gate: GateStatus) -> tuple[Any, ...]:
    # A query gate has the time of its last check, which tells the next one whether it went on without a pause.
    return gate.model_copy(update=_NUMBERS), gate.query, bool(gate.total)


def _state_of_memory(memory: GateMemory) -> tuple[Any, ...]:
    return memory.bound, memory.judged_by, memory.edits, memory.zero
