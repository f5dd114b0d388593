"""Labelled transactions, which of them count, and which of several labels of one transaction counts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final, Protocol

from serin_core.model.features import Transaction


@dataclass(frozen=True, slots=True)
class LabelledTransaction:
    """A transaction, when it happened, and the category that a person gave it."""

    transaction: Transaction
    at: datetime
    """In UTC; a timestamp without an offset is taken as UTC."""
    category: str


class Weight(IntEnum):
    """How much a label says: words of one's own go before a suggestion that was accepted."""

    ACCEPTED = 0
    IN_WORDS = 1


@dataclass(frozen=True, slots=True)
class Said:
    """One label that somebody gave a transaction."""

    label: str
    at: datetime
    """When; a category that a source only states was said when the transaction happened."""
    weight: Weight = Weight.IN_WORDS


def settle(said: Sequence[Said]) -> Said | None:
    """Answer the label that counts: of those in words, else of those accepted, the latest; None if there is none."""
    return max(said, key=lambda one: (one.weight, one.at), default=None)


@dataclass(frozen=True, slots=True)
class Row:
    """A transaction of a source, and the category that stands beside it, if one does."""

    transaction: Transaction
    at: datetime
    said: Said | None

    def labelled(self, category: str) -> LabelledTransaction:
        """Answer it with a category."""
        return LabelledTransaction(transaction=self.transaction, at=self.at, category=category)


class Source(Protocol):
    """Where transactions come from. Every method may raise DataError."""

    @property
    def name(self) -> str:
        """Answer it as a person named it, without a password."""

    def feedback(self) -> Iterator[tuple[str, Said]]:
        """Answer what was said of transactions, by txn_id, of this source or of any other."""

    def rows(self) -> Iterator[Row]:
        """Answer its transactions, in its own order, reading chunk by chunk."""

    def fingerprint(self) -> str:
        """Answer a text that changes whenever what rows() and feedback() answer may have; "": only reading tells."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows count: from `since` (inclusive) until `until` (exclusive), of these the newest `limit`."""

    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None

    def holds(self, at: datetime) -> bool:
        """Answer whether a moment lies in it."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def choose(self, rows: Sequence[LabelledTransaction]) -> list[LabelledTransaction]:
        """Answer the rows that count, oldest first."""
        chosen = sorted((row for row in rows if self.holds(row.at)), key=lambda row: (row.at, row.transaction.txn_id))
        return chosen if self.limit is None else chosen[max(0, len(chosen) - self.limit) :]


EVERYTHING: Final = Window()
