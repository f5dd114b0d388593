"""One record of a source against the schema. Never guesses, and never repairs a record."""

from array import array
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import xxhash

from serin_core.model.features import Transaction
from serin_core.model.values import as_utc, parse_amount, parse_timestamp
from serin_training.data.rows import Row, Said
from serin_training.errors import DataError

COLUMNS: Final = ("txn_id", "user_id", "timestamp", "merchant", "description", "amount", "channel", "category")
LONGEST: Final = 1000
"""Characters of a text; a terminal prints 22 of a merchant."""
FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST: Final = datetime(2100, 1, 1, tzinfo=UTC)


def check_columns(name: str, found: Iterable[str]) -> None:
    """Check that all COLUMNS are there, each once. Raises DataError."""
    names = list(found)
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise DataError(f"{name}: no column {', '.join(missing)}; needed are {', '.join(COLUMNS)}")
    if any(names.count(column) > 1 for column in COLUMNS):
        raise DataError(f"{name}: a column stands twice; needed is each of {', '.join(COLUMNS)} once")


def check_record(record: Mapping[str, Any], place: str) -> Row:
    """Answer a record, whose values are text or what a database or Parquet makes of them. Raises DataError."""
    timestamp = _time(record["timestamp"], place)
    at = as_utc(timestamp)
    category = _text(record, "category", place).strip()
    transaction = Transaction(
        txn_id=_text(record, "txn_id", place),
        merchant=_text(record, "merchant", place),
        description=_text(record, "description", place),
        amount=_amount(record["amount"], place),
        channel=_text(record, "channel", place),
        user_id=_text(record, "user_id", place) or None,
        timestamp=timestamp,
    )
    if not transaction.txn_id:
        raise DataError(f"{place}: txn_id is empty; each transaction needs one of its own")
    return Row(transaction, at, Said(category, at) if category else None)


def _text(record: Mapping[str, Any], column: str, place: str) -> str:
    value = record[column]
    text = "" if value is None else str(value)
    if len(text) > LONGEST:
        raise DataError(f"{place}: {column} has {len(text)} characters; at most {LONGEST} can be a {column}")
    return text


def _amount(value: Any, place: str) -> float:
    try:
        return parse_amount(value)
    except ValueError:
        raise DataError(f"{place}: amount {_short(value)} is no number; write it as 12.50 or -12.50") from None


def _time(value: Any, place: str) -> datetime:
    try:
        time = parse_timestamp(value)
    except ValueError:
        raise DataError(
            f"{place}: timestamp {_short(value)} is no time; write it as 2026-01-31 or 2026-01-31T12:00:00+00:00"
        ) from None
    try:
        is_possible = FIRST <= as_utc(time) < LAST
    except OverflowError:
        is_possible = False
    if not is_possible:
        raise DataError(f"{place}: timestamp {_short(value)} is out of range; it lies from 1970 to 2099")
    return time


def _short(value: Any) -> str:
    text = repr(value if isinstance(value, str | int | float | None) else str(value))
    return text if len(text) <= 60 else f"{text[:59]}…"  # noqa: PLR2004 - enough to find it by


class Unique:
    """Whether each txn_id stands once. Remembers twelve bytes a row."""

    def __init__(self, name: str, unit: str) -> None:
        """Take the source's name and what its rows are called, `line` or `row`."""
        self._name, self._unit = name, unit
        self._hashes, self._places = array("Q"), array("I")

    def add(self, txn_id: str, place: int) -> None:
        """Remember one."""
        self._hashes.append(xxhash.xxh3_64_intdigest(txn_id.encode()))
        self._places.append(place)

    def check(self) -> None:
        """Raise DataError if one stood twice."""
        hashes = np.frombuffer(self._hashes, dtype=np.uint64)
        ordered = np.sort(hashes)
        if not (ordered[1:] == ordered[:-1]).any():
            return
        order = np.argsort(hashes, kind="stable")
        twice = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
        # The one that a reader of the file meets first.
        pairs = [(self._places[order[at + 1]], self._places[order[at]]) for at in twice.tolist()]
        second, first = min(pairs)
        raise DataError(
            f"{self._name}, {self._unit} {second}: its txn_id stood already on {self._unit} {first}; "
            "each must be unique"
        )
