"""Tables as kubectl prints them. Pure."""

from collections.abc import Collection, Sequence
from typing import Final

_GAP: Final = "   "


def printable(text: str) -> str:
    """Return a line without characters that move a cursor or change colours, as a message may have: spaces instead."""
    return "".join(character if character.isprintable() else " " for character in text)


def table(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Return the lines of a table, each column as wide as its longest cell. The last column is not padded.

    `right` are the columns, from 0, that are aligned to the right, as numbers are.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [line(row, widths, right=right) for row in rows]


def line(row: Sequence[str], widths: Sequence[int], *, right: Collection[int] = ()) -> str:
    """Return one row, its cells padded to the widths of the columns."""
    cells = zip(row, widths, strict=True)
    padded = (cell.rjust(width) if at in right else cell.ljust(width) for at, (cell, width) in enumerate(cells))
    return _GAP.join(padded).rstrip()
