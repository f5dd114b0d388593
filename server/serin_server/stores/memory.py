"""No store: feedback counts once for each suggestion within one process, and nothing else is kept.

At most MAX_EVENTS suggestions are remembered; feedback on older ones would count again.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final

from serin_core.model.features import Transaction
from serin_core.shared_text import shared
from serin_server.event_ids import Event
from serin_server.stores.store import Erased, Feedback, Recorded, StoreAbsentError

MAX_EVENTS: Final = 100_000
_NO_STORE: Final = "this server has no store; send the transactions in `transactions`"


class Memory:
    """Remembers the feedback on suggestions, and nothing else."""

    def __init__(self, most_events: int = MAX_EVENTS) -> None:
        self._most = most_events
        self._seen: OrderedDict[bytes, Recorded] = OrderedDict()

    async def save(self, transactions: Sequence[Transaction]) -> None:
        """Raise StoreAbsentError."""
        del transactions
        raise StoreAbsentError(_NO_STORE)

    async def fetch(self, txn_ids: Collection[str]) -> Mapping[str, Transaction]:
        """Raise StoreAbsentError."""
        del txn_ids
        raise StoreAbsentError(_NO_STORE)

    async def record(self, feedback: Feedback) -> bool:
        """Return whether this is the first feedback on a suggestion, as far as this process remembers."""
        identity = feedback.event.identity
        if identity in self._seen:
            return False
        self._seen[identity] = Recorded(feedback.outcome, shared(feedback.label))
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return True

    async def recorded(self, event: Event) -> Recorded | None:
        """Return the feedback on a suggestion, as far as this process remembers."""
        return self._seen.get(event.identity)

    async def erase(self, user_id: str, *, dry_run: bool) -> Erased:
        """Raise StoreAbsentError."""
        del user_id, dry_run
        raise StoreAbsentError(_NO_STORE)

    async def expire(self, age: timedelta, *, now: int, limit: int) -> int:
        """Return 0: what is remembered is bounded, and identifies no user."""
        del age, now, limit
        return 0

    async def close(self) -> None:
        """Do nothing."""
