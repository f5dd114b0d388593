"""Tables as kubectl prints them, and ages. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

_GAP: Final = "   "
_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_MANY: Final = 10
"""From this number of a unit on, the next smaller unit is left out, as in `12d` beside `3d4h`."""


def printable(text: str) -> str:
    """Return a line without characters that move a cursor or change colours, as a message may have: spaces instead."""
    return "".join(character if character.isprintable() else " " for character in text)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, each column as wide as its longest cell. The last column is not padded."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [line(row, widths) for row in rows]


def line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Return one row, its cells padded to the widths of the columns."""
    return _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def describe_age(since: datetime, now: datetime) -> str:
    """Return an age in at most two units: `45s`, `3m20s`, `5h`, `3d4h`, `40d`. One in the future is `0s`."""
    left = max(int((now - since) / timedelta(seconds=1)), 0)
    for index, (unit, seconds) in enumerate(_UNITS):
        count, rest = divmod(left, seconds)
        if count and index + 1 < len(_UNITS) and count < _MANY:
            smaller, size = _UNITS[index + 1]
            return f"{count}{unit}" + (f"{rest // size}{smaller}" if rest >= size else "")
        if count:
            return f"{count}{unit}"
    return "0s"
