"""Values of transactions, parsed in the same way by the server, training and the command line.

A text has one meaning or none: what two readers could understand differently, such as digits alone for a time, is
refused. The maximum lengths of texts are those of requests.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Final

MAX_CHARACTERS: Final[Mapping[str, int]] = {
    "txn_id": 128,
    "user_id": 128,
    "merchant": 256,
    "description": 1024,
    "channel": 64,
    "category": 128,
}
"""Maximum length of each text of a transaction, and of its category."""
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2099
NOT_A_NUMBER: Final = "Input should be a finite number"
NOT_A_TIME: Final = "Input should be a day or time in ISO 8601, like 2026-01-31 or 2026-01-31T12:00:00+00:00"
OUT_OF_RANGE: Final = f"Input should be a time from {FIRST_YEAR} to {LAST_YEAR}"
_NUMBER: Final = re.compile(r"\s*+[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?\s*+")


def parse_timestamp(value: object) -> datetime:
    """Return a time from ISO 8601 text (a day or a time, with hyphens), or from a date or datetime.

    A time without an offset is returned without one; see `as_utc`. Raises ValueError, without repeating the value.
    """
    if isinstance(value, str):
        text = value.strip()
        # Without hyphens it could be a day, seconds since 1970, or the day number of a spreadsheet.
        if text[4:5] != "-" or text[7:8] != "-":
            raise ValueError(NOT_A_TIME)
        try:
            time = datetime.fromisoformat(text.replace("z", "Z"))
        except ValueError:
            raise ValueError(NOT_A_TIME) from None
    elif isinstance(value, datetime):
        time = value
    elif isinstance(value, date):
        time = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a day has no offset
    else:
        raise ValueError(NOT_A_TIME)  # noqa: TRY004 - as for a text, for pydantic
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise ValueError(OUT_OF_RANGE)
    return time


def as_utc(time: datetime) -> datetime:
    """Return a time in UTC; one without an offset is taken as UTC. Raises OverflowError."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def unix_time(time: datetime) -> float:
    """Return the Unix time in seconds of a time; one without an offset is taken as UTC."""
    return (time if time.tzinfo is not None else time.replace(tzinfo=UTC)).timestamp()


def parse_amount(value: object) -> float:
    """Return a finite number from text, such as -12.50, or a number. Raises ValueError, without repeating the value."""
    if isinstance(value, str):
        # float also reads 1_000 and the digits of other scripts.
        is_number = _NUMBER.fullmatch(value) is not None
    else:
        is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if not is_number:
        raise ValueError(NOT_A_NUMBER)
    try:
        amount = float(value)  # type: ignore[arg-type]  # the types above
    except (ValueError, OverflowError):
        raise ValueError(NOT_A_NUMBER) from None
    if not isfinite(amount):
        raise ValueError(NOT_A_NUMBER)
    return amount


def text_error(column: str, text: str) -> str:
    """Return what is wrong with a text of a transaction, empty if it can be used."""
    if len(text) > MAX_CHARACTERS[column]:
        return f"{column} has {len(text)} characters; at most {MAX_CHARACTERS[column]} are allowed"
    if "\x00" in text:
        return f"{column} has a NUL character; remove it"
    return ""
