"""Checks one record of a source against the schema. Records are never repaired."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any, Final

import numpy as np
import xxhash

from serin_core.model.features import Transaction
from serin_core.model.values import (
    FIRST_YEAR,
    LAST_YEAR,
    OUT_OF_RANGE,
    as_utc,
    parse_amount,
    parse_timestamp,
    text_error,
)
from serin_training.data.data_map import NATIVE, DataMap
from serin_training.data.rows import Label, LabelOrigin, Row
from serin_training.errors import DataError

ORIGIN: Final = "label_origin"
"""Column that may stand beside those of a source: `accepted` for a category that is an accepted suggestion."""
_ACCEPTED: Final = LabelOrigin.ACCEPTED.name.lower()


def check_record(record: Mapping[str, Any], place: str, zone: tzinfo | None = None) -> Row:
    """Return a record as a row; values are text or the types of a database or of Parquet. Raises DataError.

    `zone` is that of times without an offset; they stay without one if there is none, and are taken as UTC.
    """
    timestamp = _time(record["timestamp"], place)
    if timestamp.tzinfo is None and zone is not None:
        timestamp = timestamp.replace(tzinfo=zone)
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
        raise DataError(f"{place}: txn_id is empty; each transaction needs a unique one")
    origin = LabelOrigin.ACCEPTED if record.get(ORIGIN) == _ACCEPTED else LabelOrigin.WRITTEN
    return Row(transaction, at, Label(category, at, origin) if category else None)


def _text(record: Mapping[str, Any], column: str, place: str) -> str:
    value = record[column]
    text = "" if value is None else str(value)
    problem = text_error(column, text)
    if problem:
        raise DataError(f"{place}: {problem}")
    return text


def _amount(value: Any, place: str) -> float:
    try:
        return parse_amount(value)
    except ValueError:
        raise DataError(f"{place}: amount {_short(value)} is not a number; write it as 12.50 or -12.50") from None


def _time(value: Any, place: str) -> datetime:
    try:
        return parse_timestamp(value)
    except ValueError as error:
        if str(error) == OUT_OF_RANGE:
            problem = f"is out of range ({FIRST_YEAR} to {LAST_YEAR})"
        else:
            problem = "is not a time; write it as 2026-01-31 or 2026-01-31T12:00:00+00:00"
        raise DataError(f"{place}: timestamp {_short(value)} {problem}") from None


def _short(value: Any) -> str:
    text = repr(value if isinstance(value, str | int | float | None) else str(value))
    return text if len(text) <= 60 else f"{text[:59]}…"  # noqa: PLR2004 - enough to find it by


def check_records(
    name: str, records: Iterable[tuple[int, Mapping[str, Any]]], *, unit: str = "row", data_map: DataMap = NATIVE
) -> Iterator[Row]:
    """Yield the records of a source, each with its number, as rows; keeps twelve bytes per row.

    Raises DataError, at the end if a txn_id occurs twice. `unit` is what the numbers count, `line` or `row`.
    """
    hashes, places, ids = array("Q"), array("I"), Counter[str]()
    is_native, zone = data_map.is_native, data_map.zone_info()
    for place, record in records:
        where = f"{name}, {unit} {place}"
        try:
            mapped = record if is_native else data_map.record(record, ids)
        except ValueError as error:
            raise DataError(f"{where}: {error}; see {data_map.name}") from None
        row = check_record(mapped, where, zone)
        hashes.append(xxhash.xxh3_64_intdigest(row.transaction.txn_id.encode()))
        places.append(place)
        yield row
    hashed = np.frombuffer(hashes, dtype=np.uint64)
    ordered = np.sort(hashed)
    if not (ordered[1:] == ordered[:-1]).any():
        return
    order = np.argsort(hashed, kind="stable")
    twice = np.flatnonzero(hashed[order][1:] == hashed[order][:-1])
    # The first duplicate in the order of the file.
    second, first = min((places[order[at + 1]], places[order[at]]) for at in twice.tolist())
    raise DataError(f"{name}, {unit} {second}: duplicate txn_id, first seen on {unit} {first}")
