"""The rows of a text: the separator, the lines before the header, and the header."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from serin_training.data.csv_records import read_lines
from serin_training.errors import DataError
from serin_training.inspection.findings import Certainty, Finding
from serin_training.inspection.formats import is_amount, is_time

_SEPARATORS: Final = (",", ";", "\t", "|")
_LINES: Final = 2_000
_FEWEST: Final = 3
"""Columns: a time, a merchant and an amount."""
_HINT: Final = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How the first lines of a text are divided into rows."""

    findings: tuple[Finding, ...]
    """Of separator, preamble and header."""
    header: tuple[str, ...]
    """Names of the columns; without a header, their numbers from 1."""
    rows: tuple[tuple[str, ...], ...]
    """The first rows after the header that have as many fields."""


@dataclass(frozen=True, slots=True)
class _Division:
    separator: str
    records: tuple[tuple[int, tuple[str, ...]], ...]
    """With the lines before each."""
    width: int
    """The most frequent number of fields."""
    score: int
    """Fields in rows of that width."""


def find_layout(path: Path, name: str, encoding: str) -> Layout:
    """Return how a text is divided. Raises DataError if no separator gives enough columns."""
    lines = list(islice(read_lines(path, name, encoding), _LINES))
    hint = _HINT.fullmatch(lines[0]) if lines else None
    separators = (hint[1],) if hint is not None else _SEPARATORS
    best, *others = sorted((_divided(lines, sign) for sign in separators), key=lambda one: -one.score)
    if best.width < _FEWEST:
        shown = ", ".join(_NAMES.get(sign, sign) for sign in separators)
        raise DataError(
            f"{name}: no table of transactions: no separator ({shown}) gives rows of at least {_FEWEST} columns; "
            "give a CSV file with a time, a merchant and an amount in each row"
        )
    if not _table(best)[1]:
        raise DataError(f"{name}: no row of transactions after the header; give a file with transactions")
    return Layout((_separator(best, others, is_named=hint is not None), *_header_findings(best)), *_table(best))


def _divided(lines: Sequence[str], separator: str) -> _Division:
    records: list[tuple[int, tuple[str, ...]]] = []
    before = 0
    reader = csv.reader(lines, delimiter=separator)
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                records.append((before, tuple(fields)))
            before = reader.line_num
    except csv.Error:
        # A field beyond csv's limit: a quote that is never closed. Reading the rows names its line.
        pass
    widths = Counter(len(fields) for _, fields in records if len(fields) >= _FEWEST)
    width, count = max(widths.items(), key=lambda one: (one[1], one[0]), default=(0, 0))
    return _Division(separator, tuple(records), width, width * count)


def _separator(best: _Division, others: Sequence[_Division], *, is_named: bool) -> Finding:
    if is_named:
        return Finding("separator", best.separator, Certainty.SURE, "the first line names it")
    is_sure = all(other.score < best.score / 2 for other in others)
    why = f"most rows have {best.width} fields by it"
    return Finding("separator", best.separator, Certainty.SURE if is_sure else Certainty.LIKELY, why)


def _first_row(division: _Division) -> int:
    """Return the index of the first record with a time and an amount; without one, that after the first full record."""
    for at, (_, fields) in enumerate(division.records):
        if any(map(is_time, fields)) and any(is_amount(field) for field in fields if not is_time(field)):
            return at
    return next(at for at, (_, fields) in enumerate(division.records) if len(fields) == division.width) + 1


def _has_header(division: _Division, first: int) -> bool:
    if first == 0:
        return False
    fields = division.records[first - 1][1]
    names = [field.strip() for field in fields if field.strip()]
    return len(fields) >= min(division.width, len(division.records[min(first, len(division.records) - 1)][1])) - 1 and (
        len(names) >= _FEWEST and not any(is_amount(one) or is_time(one) for one in names)
    )


def _header_findings(division: _Division) -> tuple[Finding, ...]:
    first = _first_row(division)
    has_header = _has_header(division, first)
    start = division.records[first - 1 if has_header else min(first, len(division.records) - 1)][0]
    found = []
    if start:
        what = "header" if has_header else "first row"
        found.append(Finding("preamble", start, Certainty.SURE, f"lines before the {what}"))
    if not has_header:
        why = "no row before the first transaction looks like names; columns are numbered from 1"
        found.append(Finding("header", value=False, certainty=Certainty.LIKELY, why=why))
    return tuple(found)


def _table(division: _Division) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    first = _first_row(division)
    if _has_header(division, first):
        header = tuple(name.strip() for name in division.records[first - 1][1])
    else:
        header = tuple(str(number) for number in range(1, division.width + 1))
    rows = tuple(fields for _, fields in division.records[first:] if len(fields) >= len(header))
    return header, rows
