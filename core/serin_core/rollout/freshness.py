"""Which decisions may be carried out although what was read may be out of date."""

from collections.abc import Iterable
from typing import Final

from serin_core.api.status import Status
from serin_core.rollout.decide import Decision
from serin_core.rollout.writes import PutStatus, Write

MEASURED: Final = frozenset(
    {
        "phase",
        "observed_generation",
        "gates",
        "memory",
        "checkpoint",
        "actual_share",
        "no_data_since",
        "drift",
        "conditions",
        "ready_reason_since",
    }
)
"""Fields of a status that follow from counts: none of them moves a rollout by itself, or is rendered into a child."""


def needs_direct_reads(before: Status | None, decision: Decision, due: Iterable[Write]) -> bool:
    """Return whether a decision that was made from caches has to be made again from the API server (rule 3).

    `due` are the writes of the decision that would be made now. A status that changes in nothing but measurements is
    written as it is: its resourceVersion makes sure that it replaces the status that it was made from. Everything else
    depends on pods and children, which a cache may not have seen yet: a routing is confirmed by every pod that exists.
    An Event, or a request to a check endpoint, cannot be undone.
    """
    is_heard = bool(decision.announcements or decision.calls)
    return is_heard or any(not _is_measurement(before, write) for write in due)


def _is_measurement(before: Status | None, write: Write) -> bool:
    if before is None or not isinstance(write, PutStatus):
        return False
    measured = {name: getattr(write.status, name) for name in MEASURED}
    return before.model_copy(update=measured) == write.status
