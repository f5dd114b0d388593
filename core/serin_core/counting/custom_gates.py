"""Read the counters of a custom gate: which queries to run, and what their results count.

The algorithm is a generator of queries, so that it does no I/O: its caller runs them and sends the results back.
"""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from serin_core.api.gate_status import OwnCounts, OwnSeries
from serin_core.counting.custom_counters import (
    BEFORE,
    MAX_WINDOW,
    CustomCounters,
    Samples,
    both_of,
    follow,
    identity,
    newest_of,
    up_to_the_same_time,
    window,
)
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import Series, StageQuery, stale_after

SETTLED_AFTER: Final = 10.0
"""Seconds: both selectors are read up to this long ago, so that no scrape is stored between the two queries."""


@dataclass(frozen=True, slots=True)
class SamplesQuery:
    """A query for raw samples, at a Unix time; its result is a list of Samples."""

    text: str
    at: float


@dataclass(frozen=True, slots=True)
class InstantQuery:
    """A query at the current time of Prometheus; its result is a list of Series."""

    text: str


Query = SamplesQuery | InstantQuery
QueryResult = list[Samples] | list[Series] | Unreadable
_SamplesFound = list[Samples] | Unreadable
CustomCounting = Generator[tuple[Query, ...], tuple[QueryResult, ...], OwnCounts | Unreadable]
"""Yields queries, is sent one result for each, and returns the counts."""


def count_custom_gate(counters: CustomCounters, stage: StageQuery, *, at: float, now: datetime) -> CustomCounting:
    """Count what series of a custom gate have gained since the stage began.

    `at` is the current Unix time of Prometheus, `now` the operator's own time.
    """
    checkpoint = stage.checkpoint
    kept = OwnCounts() if checkpoint is None else checkpoint.own.get(counters.key, OwnCounts())
    stage_began = at - (now - stage.started_at).total_seconds()
    began = stage_began if kept.total else max(stage_began, at - MAX_WINDOW.total_seconds())
    if kept.until is not None:
        began = kept.until
    seconds = int(window(began=began, kept=kept if kept.total else None, at=at).total_seconds())
    good, total = yield from _read_both(counters, seconds, at)
    if isinstance(good, Unreadable):
        return good
    if isinstance(total, Unreadable):
        return total
    if (histogram := counters.histogram) is not None and total and not good:
        return Unreadable("BucketMissing", f"{histogram.metric} has no bucket le={histogram.le:g}")
    had_good = bool(kept.good) or kept.good_before > 0
    for newest, had_any in ((newest_of(total), not kept.is_empty), (newest_of(good), had_good)):
        if problem := _find_problem(newest, had_any=had_any, at=at, interval=stage.interval):
            return Unreadable(problem.reason, f"{counters.name}: {problem.message}")
    return (yield from _count_both(counters, up_to_the_same_time(good, total), kept=kept, began=began))


def _read_both(
    counters: CustomCounters, seconds: int, at: float
) -> Generator[tuple[Query, ...], tuple[QueryResult, ...], tuple[_SamplesFound, _SamplesFound]]:
    """Return the samples of good ones and of all; those of a histogram come from one query."""
    histogram = counters.histogram
    wanted = counters.selectors if histogram is None else (both_of(histogram),)
    results = yield tuple(SamplesQuery(f"{selector}[{seconds}s]", at - SETTLED_AFTER) for selector in wanted)
    found = cast("tuple[_SamplesFound, ...]", results)
    if histogram is None:
        return found[0], found[1]
    both = found[0]
    if isinstance(both, Unreadable):
        return both, both
    return [one for one in both if "le" in one.labels], [one for one in both if "le" not in one.labels]


def _count_both(
    counters: CustomCounters, found: tuple[tuple[Samples, ...], tuple[Samples, ...]], *, kept: OwnCounts, began: float
) -> CustomCounting:
    """Count the samples of good ones and of all.

    A series that appears only now may have existed when the stage began: its value at that time is then queried.
    """
    known = (kept.good, kept.total) if kept.total else (None, None)
    sides = tuple(zip(counters.selectors, found, known, strict=True))
    incomplete = tuple(
        selector
        for selector, samples, series in sides
        if series is not None and any(identity(one.labels) not in series for one in samples)
    )
    lookback = f"{BEFORE.total_seconds():.0f}s"
    queries = tuple(InstantQuery(f"last_over_time({one}[{lookback}] @ {began:.3f})") for one in incomplete)
    values_at_start = dict(zip(incomplete, (yield queries) if queries else (), strict=True))
    counts: list[dict[str, OwnSeries]] = []
    for selector, samples, series in sides:
        values = values_at_start.get(selector, [])
        if isinstance(values, Unreadable):
            return values
        earlier = {identity(one.labels): one.value for one in cast("list[Series]", values)}
        counted = follow(samples, kept=series, began=began, earlier=earlier)
        if isinstance(counted, Unreadable):
            return counted
        counts.append(counted)
    before = {"good_before": kept.good_before, "total_before": kept.total_before, "until": kept.until}
    return OwnCounts(good=counts[0], total=counts[1]).model_copy(update=before)


def _find_problem(newest: float | None, *, had_any: bool, at: float, interval: timedelta) -> Unreadable | None:
    """Return why samples, of which `newest` is the time of the last, cannot be counted; None if they can."""
    if newest is None:
        return Unreadable("Stale", "its series have ended") if had_any else None
    if newest > at:
        return Unreadable("FutureSamples", "Prometheus returned samples with a time in the future")
    if at - newest > stale_after(interval).total_seconds():
        return Unreadable("Stale", "the newest sample of its series is too old")
    return None
