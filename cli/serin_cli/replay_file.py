"""Recorded counts from a file: cumulative, as JSON lines or CSV, one line for each time and gate.

    {"time": "2026-01-05T09:00:00Z", "gate": "agreement", "good": 812, "total": 1003}
    time,gate,good,total
    1767603600,agreement,812,1003

`time` is ISO 8601 or Unix seconds; `gate` a gate's name, or `feedback/canary`, `feedback/control`, `perClass/Dining`.
A gate without a line at some time keeps its last counts. Three times the usual distance between two times is a gap.
A line that cannot be read is an error with its number.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

from serin_core.model.values import as_utc, parse_timestamp
from serin_simulation.replay import Entry, Record, RecordError


def read_record(text: str, *, gap: timedelta, own: Iterable[str]) -> Record:
    """Return the record of a file. Raises RecordError with the number of the line."""
    by_time: dict[float, dict[str, tuple[float, float]]] = defaultdict(dict)
    for number, line in _lines(text):
        try:
            at, pair = _moment(line["time"]), (float(line["good"]), float(line["total"]))
            by_time[at][str(line.get("gate") or line["key"])] = pair
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"line {number}: time, gate, good and total are required ({error})") from None
    current: dict[str, tuple[float, float]] = {}
    entries = []
    for at in sorted(by_time):
        current = current | by_time[at]
        entries.append(Entry(at, current))
    # Counts that were recorded every five minutes have no gap every five minutes.
    apart = sorted(after.at - before.at for before, after in pairwise(entries))
    usual = timedelta(seconds=apart[len(apart) // 2]) if apart else gap
    return Record(tuple(entries), max(gap, 3 * usual), frozenset(own))


def _lines(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = text.splitlines()
    if lines and lines[0].lstrip().startswith("{"):
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, _parsed(number, line)
    else:
        yield from enumerate(csv.DictReader(lines), 2)


def _parsed(number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"line {number}: {error}") from None
    if not isinstance(found, dict):
        raise RecordError(f"line {number}: not a JSON object")
    return found


def _moment(value: object) -> float:
    """Return Unix seconds. Raises ValueError."""
    text = str(value).strip()
    try:
        return float(text)
    except ValueError:
        return as_utc(parse_timestamp(text)).timestamp()
