"""No store: feedback is counted once per answer within one process, and nothing else is kept.

Never grows beyond MOST_EVENTS: the oldest answers are forgotten first, and feedback on them would count again.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Final

from serin_core.model.features import Transaction
from serin_server.stores.store import Erased, Feedback, StoreAbsentError

MOST_EVENTS: Final = 100_000
_NOTHING_KEPT: Final = "this server keeps no transactions (its store is none); send them in `transactions`"


class Memory:
    """Remembers which answers had feedback, and nothing else."""

    def __init__(self, most_events: int = MOST_EVENTS) -> None:
        self._most = most_events
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    async def save(self, transactions: Sequence[Transaction]) -> None:
        """Raise StoreAbsentError."""
        del transactions
        raise StoreAbsentError(_NOTHING_KEPT)

    async def fetch(self, txn_ids: Collection[str]) -> Mapping[str, Transaction]:
        """Raise StoreAbsentError."""
        del txn_ids
        raise StoreAbsentError(_NOTHING_KEPT)

    async def record(self, feedback: Feedback) -> bool:
        """Answer whether this is the first feedback on an answer, as far as this process remembers."""
        identity = feedback.event.identity
        if identity in self._seen:
            return False
        self._seen[identity] = None
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return True

    async def erase(self, user_id: str, *, is_rehearsal: bool) -> Erased:
        """Raise StoreAbsentError."""
        del user_id, is_rehearsal
        raise StoreAbsentError(_NOTHING_KEPT)

    async def expire(self, age: timedelta, *, now: int, most: int) -> int:
        """Answer 0: what is remembered is bounded, and names nobody."""
        del age, now, most
        return 0

    async def close(self) -> None:
        """Do nothing."""
