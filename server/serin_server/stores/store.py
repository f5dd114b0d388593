"""The interface of stores of transactions and feedback.

StoreError                    one line that may be shown to users
|-- StoreAbsentError          this server has no store
|-- UnknownTransactionsError  txn_ids that are not in the store
'-- StoreUnavailableError     the store cannot be reached now
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, runtime_checkable

from serin_core.model.features import Transaction
from serin_server.event_ids import Event
from serin_server.metrics.counters import Outcome, StageKey


class StoreError(Exception):
    """A request that the store could not serve. The message is one line."""


class StoreAbsentError(StoreError):
    """This server has no store."""


class UnknownTransactionsError(StoreError):
    """Transactions that are not in the store."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached, or did not respond in time."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """Feedback on one suggestion."""

    event: Event
    at: int
    """Time of the feedback, Unix time in milliseconds."""
    outcome: Outcome
    label: str
    """The correct class, "" if the suggestion was only rejected."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The content of feedback that counted."""

    outcome: Outcome
    label: str
    """The correct class, "" if the suggestion was only rejected."""


@dataclass(frozen=True, slots=True)
class Erased:
    """Number of rows of a user that were deleted, or would be."""

    transactions: int
    feedback: int
    counted: int
    """Marks that the user was counted in a stage."""


class Store(Protocol):
    """Stores transactions and feedback. Every method raises StoreUnavailableError if it fails."""

    async def save(self, transactions: Sequence[Transaction]) -> None:
        """Store transactions; one with a known txn_id replaces the older one. Raises StoreAbsentError."""

    async def fetch(self, txn_ids: Collection[str]) -> Mapping[str, Transaction]:
        """Return the stored transactions by txn_id. Raises StoreAbsentError."""

    async def record(self, feedback: Feedback) -> bool:
        """Store feedback if it is the first on its suggestion, and return whether it was."""

    async def recorded(self, event: Event) -> Recorded | None:
        """Return the feedback on a suggestion, None if there is none."""

    async def erase(self, user_id: str, *, dry_run: bool) -> Erased:
        """Delete all rows of a user in one transaction; with `dry_run` only count them. Raises StoreAbsentError."""

    async def expire(self, age: timedelta, *, now: int, limit: int) -> int:
        """Delete rows older than `age`, at most `limit` of each kind, and return their number.

        `now` is Unix time in milliseconds.
        """

    async def close(self) -> None:
        """Close the store."""


@runtime_checkable
class SharedUsers(Protocol):
    """A store that knows which users have been counted by any process."""

    async def first_compared(self, key: StageKey, users: Collection[int]) -> Collection[int]:
        """Return the users that no process has counted in this stage yet, and store them.

        Raises StoreUnavailableError.
        """


async def fetch_all(store: Store, txn_ids: Sequence[str]) -> list[Transaction]:
    """Return the stored transactions in the order of `txn_ids`. Raises StoreError."""
    stored = await store.fetch(txn_ids)
    missing = [txn_id for txn_id in txn_ids if txn_id not in stored]
    if missing:
        raise UnknownTransactionsError(
            f"unknown txn_id {missing[0]!r} ({len(missing)} of {len(txn_ids)} are not in the store)"
        )
    return [stored[txn_id] for txn_id in txn_ids]
