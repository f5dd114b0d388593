"""Labelled transactions, and which of several labels of one transaction counts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final, Protocol

from serin_core.model.features import Transaction


@dataclass(frozen=True, slots=True)
class LabelledTransaction:
    """A transaction, its time, and the category that a user gave it."""

    transaction: Transaction
    at: datetime
    """In UTC; a timestamp without an offset is in the zone of --zone, or UTC."""
    category: str
    is_accepted: bool = False
    """Whether the category is an accepted suggestion, and no choice of the user's own."""


class LabelOrigin(IntEnum):
    """Origin of a label: one that a user wrote wins over an accepted suggestion, and both over a rejected one."""

    REJECTED = -1
    """The category was suggested and rejected: it is not the right one, and no other was named."""
    ACCEPTED = 0
    WRITTEN = 1


@dataclass(frozen=True, slots=True)
class Label:
    """A label that a user gave a transaction."""

    category: str
    at: datetime
    """Time of the label; for a category in a source, the time of the transaction."""
    origin: LabelOrigin = LabelOrigin.WRITTEN


def best_label(*labels: Label | None) -> Label | None:
    """Return the label that counts: the latest that a user wrote, else the latest accepted; None without a label."""
    return max((one for one in labels if one is not None), key=lambda one: (one.origin, one.at), default=None)


@dataclass(frozen=True, slots=True)
class Row:
    """A transaction of a source and its label, if it has one."""

    transaction: Transaction
    at: datetime
    label: Label | None

    @property
    def category(self) -> str | None:
        """The right category, None if no label names it."""
        return None if self.label is None or self.label.origin is LabelOrigin.REJECTED else self.label.category

    def labelled(self, category: str) -> LabelledTransaction:
        """Return the transaction with a category."""
        is_accepted = self.label is not None and self.label.origin is LabelOrigin.ACCEPTED
        return LabelledTransaction(self.transaction, self.at, category, is_accepted=is_accepted)


class DataSource(Protocol):
    """A source of transactions. Every method may raise DataError."""

    @property
    def name(self) -> str:
        """Name of the source as the user gave it, without secrets."""

    def feedback(self) -> Iterator[tuple[str, Label]]:
        """Yield labels from feedback with their txn_id; the transactions may be in another source."""

    def rows(self) -> Iterator[Row]:
        """Yield the transactions in the order of the source, read chunk by chunk."""

    def assumptions(self) -> tuple[str, ...]:
        """Return how the source is read, as far as that is not Serin's own format: for users and the report."""

    def fingerprint(self) -> str:
        """Return a text that changes whenever the content may have changed; empty if that is unknown."""


@dataclass(frozen=True, slots=True)
class Window:
    """Selection of rows: from `since` (inclusive) until `until` (exclusive), at most the newest `limit`."""

    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None

    def holds(self, at: datetime) -> bool:
        """Return whether a time is selected."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def choose(self, rows: Sequence[LabelledTransaction]) -> list[LabelledTransaction]:
        """Return the selected rows, oldest first."""
        chosen = sorted((row for row in rows if self.holds(row.at)), key=lambda row: (row.at, row.transaction.txn_id))
        return chosen if self.limit is None else chosen[max(0, len(chosen) - self.limit) :]

    def __str__(self) -> str:
        """Return the limits in time for a message; empty without any."""
        since = "" if self.since is None else f" since {self.since:%Y-%m-%d}"
        return since + ("" if self.until is None else f" before {self.until:%Y-%m-%d}")


EVERYTHING: Final = Window()
