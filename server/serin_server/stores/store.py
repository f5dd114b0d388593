"""The seam to whatever keeps transactions and feedback.

StoreError               what a user may be told, one line
|-- StoreAbsentError          this server keeps nothing
'-- StoreUnavailableError     the store cannot be reached at this moment; asking again later may work
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, runtime_checkable

from serin_core.model.features import Transaction
from serin_server.event_ids import Event
from serin_server.metrics.counters import Outcome, StageKey


class StoreError(Exception):
    """A store that did not do what was asked. The message is one line."""


class StoreAbsentError(StoreError):
    """This server keeps nothing."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached, or did not answer in time."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a user said of one answer."""

    event: Event
    at: int
    """When it was said, Unix time in milliseconds."""
    outcome: Outcome
    label: str
    """The class that the user holds for right, "" if only the suggestion was rejected."""


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows of a user were erased, or would be."""

    transactions: int
    feedback: int
    counted: int
    """Marks that the user was counted in a stage."""


class Store(Protocol):
    """Keeps transactions and feedback. Every method raises StoreUnavailableError while it cannot."""

    async def save(self, transactions: Sequence[Transaction]) -> None:
        """Keep transactions, each in the place of an older one with its txn_id. Raises StoreAbsentError."""

    async def fetch(self, txn_ids: Collection[str]) -> Mapping[str, Transaction]:
        """Answer those that are kept, by txn_id. Raises StoreAbsentError."""

    async def record(self, feedback: Feedback) -> bool:
        """Keep what was said first of an answer, and answer whether this was the first."""

    async def erase(self, user_id: str, *, is_rehearsal: bool) -> Erased:
        """Erase what is kept of a user, all of it or nothing; a rehearsal only says how much that would be.

        Raises StoreAbsentError.
        """

    async def expire(self, age: timedelta, *, now: int, most: int) -> int:
        """Erase what has been kept for longer than `age`, at most so many rows of each kind, and answer how many.

        `now` is Unix time in milliseconds.
        """

    async def close(self) -> None:
        """Let go of everything that is open."""


@runtime_checkable
class SharedUsers(Protocol):
    """A store that knows, for all processes together, which users have been counted."""

    async def first_compared(self, key: StageKey, users: Collection[int]) -> Collection[int]:
        """Answer which of these users no process has counted in this stage yet, and remember them.

        Raises StoreUnavailableError.
        """
