"""Timestamps and amounts of transactions, parsed in the same way by the server, training and the command line."""

from datetime import UTC, date, datetime
from math import isfinite
from typing import Final

_NOT_A_NUMBER: Final = "Input should be a finite number"
_NOT_A_TIME: Final = "Input should be a day or time in ISO 8601, like 2026-01-31 or 2026-01-31T12:00:00+00:00"


def parse_timestamp(value: object) -> datetime:
    """Return a time from ISO 8601 text (a day or a time), or from a date or datetime.

    A time without an offset is returned without one; see `as_utc`. Raises ValueError, without repeating the value.
    """
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.strip().replace("z", "Z"))
        except ValueError:
            raise ValueError(_NOT_A_TIME) from None
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a day has no offset
    raise ValueError(_NOT_A_TIME)


def as_utc(time: datetime) -> datetime:
    """Return a time in UTC; one without an offset is taken as UTC. Raises OverflowError."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def parse_amount(value: object) -> float:
    """Return a finite number from text or a number. Raises ValueError, without repeating the value."""
    try:
        amount = float(value)  # type: ignore[arg-type]  # other types raise TypeError
    except (TypeError, ValueError, OverflowError):
        raise ValueError(_NOT_A_NUMBER) from None
    if not isfinite(amount):
        raise ValueError(_NOT_A_NUMBER)
    return amount
