"""Recorded counts from Prometheus: the series of a past stage, read with the operator's own query at many times.

Each time is tallied as the operator would have done it. Where it would have had no data there is no entry, and where
counts fall (a replica that lags, users shared out over one more process) the entry before stands.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from serin_core.contract.addresses import display_address, without_secrets
from serin_core.counting import Series, StageCounts, StageQuery, count_stage, stage_query
from serin_core.evidence import Counts
from serin_simulation.replay import Entry, Record, RecordError

_MOST_POINTS: Final = 10_000
"""Prometheus answers at most 11,000 to a range query."""
_SECONDS: Final = 60


def read_range(url: str, asked: StageQuery, *, end: datetime) -> Record:
    """Answer the record of a stage from `asked.started_at` to `end`. Raises RecordError, in one line."""
    step = max(asked.interval, (end - asked.started_at) / _MOST_POINTS)
    query = {
        "query": stage_query(asked, end),
        "start": f"{asked.started_at.timestamp():.3f}",
        "end": f"{end.timestamp():.3f}",
        "step": f"{step.total_seconds():.3f}",
    }
    return record_of(_ask(url, query), asked, gap=max(2 * step, timedelta(minutes=2)))


def record_of(found: Iterable[Mapping[str, Any]], asked: StageQuery, *, gap: timedelta) -> Record:
    """Answer the record that the series of a range query amount to."""
    by_time: dict[float, list[Series]] = defaultdict(list)
    try:
        for one in found:
            for at, value in one["values"]:
                by_time[float(at)].append(Series(one["metric"], float(value)))
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"Prometheus answered something else than a range: {error}") from None
    entries: list[Entry] = []
    standing: dict[str, tuple[float, float]] = {}
    for at in sorted(by_time):
        reading = count_stage(by_time[at], asked, datetime.fromtimestamp(at, UTC))
        if not isinstance(reading, StageCounts):
            continue
        counts = {key: reading.of(key) for key in reading.by_key}
        standing = standing | {
            key: (one.good, one.total)
            for key, one in counts.items()
            if isinstance(one, Counts) and _has_grown(standing.get(key, (0.0, 0.0)), one)
        }
        if standing:
            entries.append(Entry(at, standing))
    if not entries:
        raise RecordError("Prometheus has no counts of this stage in this time")
    return Record(tuple(entries), gap)


def _has_grown(before: tuple[float, float], now: Counts) -> bool:
    return now.good >= before[0] and now.total - now.good >= before[1] - before[0]


def _ask(url: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
    if not url.startswith(("http://", "https://")):
        raise RecordError(f"{display_address(url)} is no http address")
    where = display_address(url)
    request = Request(f"{url.rstrip('/')}/api/v1/query_range", data=urlencode(query).encode())  # noqa: S310 - see above
    try:
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - see above
            found = json.load(answer)
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise RecordError(f"{where}: {without_secrets(' '.join(str(error).split()), url)}") from None
    if not isinstance(found, dict) or found.get("status") != "success":
        raise RecordError(f"{where}: {found.get('error', 'no success') if isinstance(found, dict) else 'no object'}")
    if found.get("warnings"):
        raise RecordError(f"{where}: a partial answer: {found['warnings'][0]}")
    return list(found["data"]["result"])
