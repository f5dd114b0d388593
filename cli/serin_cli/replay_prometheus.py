"""Recorded counts from Prometheus: the series of a past stage, read with the operator's own query at many times.

At each time the series are counted as by the operator. Where the operator would have had no data there is no entry,
and where counts fall (a replica that lags, users divided among one process more) the entry before is kept.
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
from serin_core.counting.joined_query import stage_query
from serin_core.counting.server_counters import StageCounts, count_stage
from serin_core.counting.stage_query import Series, StageQuery
from serin_core.evidence.counts import Counts
from serin_simulation.replay import Entry, Record, RecordError

_MAX_POINTS: Final = 10_000
"""Prometheus limits a range query to 11,000 points."""
_SECONDS: Final = 60


def read_range(url: str, query: StageQuery, *, end: datetime) -> Record:
    """Return the record of a stage from `query.started_at` to `end`. Raises RecordError, in one line."""
    step = max(query.interval, (end - query.started_at) / _MAX_POINTS)
    parameters = {
        "query": stage_query(query, end),
        "start": f"{query.started_at.timestamp():.3f}",
        "end": f"{end.timestamp():.3f}",
        "step": f"{step.total_seconds():.3f}",
    }
    return record_of(_query_range(url, parameters), query, gap=max(2 * step, timedelta(minutes=2)))


def record_of(found: Iterable[Mapping[str, Any]], query: StageQuery, *, gap: timedelta) -> Record:
    """Return the record of the series of a range query. Raises RecordError."""
    by_time: dict[float, list[Series]] = defaultdict(list)
    try:
        for one in found:
            for at, value in one["values"]:
                by_time[float(at)].append(Series(one["metric"], float(value)))
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"the answer of Prometheus is not a range: {error}") from None
    entries: list[Entry] = []
    current: dict[str, tuple[float, float]] = {}
    for at in sorted(by_time):
        reading = count_stage(by_time[at], query, datetime.fromtimestamp(at, UTC))
        if not isinstance(reading, StageCounts):
            continue
        counts = {key: reading.of(key) for key in reading.by_key}
        current = current | {
            key: (one.good, one.total)
            for key, one in counts.items()
            if isinstance(one, Counts) and _has_grown(current.get(key, (0.0, 0.0)), one)
        }
        if current:
            entries.append(Entry(at, current))
    if not entries:
        raise RecordError("Prometheus has no counts of this stage in this period")
    return Record(tuple(entries), gap)


def _has_grown(before: tuple[float, float], now: Counts) -> bool:
    return now.good >= before[0] and now.total - now.good >= before[1] - before[0]


def _query_range(url: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
    where = display_address(url)
    if not url.startswith(("http://", "https://")):
        raise RecordError(f"{where}: not an http:// or https:// address")
    request = Request(f"{url.rstrip('/')}/api/v1/query_range", data=urlencode(parameters).encode())  # noqa: S310 - see above
    try:
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - see above
            found = json.load(answer)
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise RecordError(f"{where}: {without_secrets(' '.join(str(error).split()), url)}") from None
    if not isinstance(found, dict):
        raise RecordError(f"{where}: the answer is not a JSON object")
    if found.get("status") != "success":
        raise RecordError(f"{where}: {found.get('error', 'no result')}")
    if found.get("warnings"):
        raise RecordError(f"{where}: the result is incomplete: {found['warnings'][0]}")
    return list(found["data"]["result"])
