"""Counters of the user's own, from raw samples since the stage began.

Nothing is known of them: they may have been counting for weeks, restart, or end. So each series is followed sample by
sample: what it gained since the stage began is counted, and where it fell it has restarted at 0. A series that had no
sample before the stage began was born within it and counts from 0. What was counted is kept in a checkpoint with the
time of the last sample, so that a replica of Prometheus that lags behind adds nothing twice.
Never uses rate() or increase(): they invent and lose counts at the edges of their windows.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from math import isfinite
from typing import Final

from serin_core.api.gates import Histogram, MetricGate
from serin_core.api.status import OwnCounts, OwnSeries
from serin_core.counting.reading import Unreadable

BEFORE: Final = timedelta(hours=1)
"""How far before a stage a series is looked for, to tell one that was there, scraped or not, from one that was born."""
LONGEST: Final = timedelta(hours=6)
"""How much of a stage the first look reads at most: a gate that is added to a long stage counts its last hours."""
SLACK: Final = timedelta(minutes=2)
"""How far a later look reaches back behind the newest sample that was followed."""
MOST_SERIES: Final = 500
_GAUGE_FALLS_TO: Final = 0.5

Kept = Mapping[str, OwnSeries]


@dataclass(frozen=True, slots=True)
class Samples:
    """One series as Prometheus stored it: Unix seconds and values, oldest first."""

    labels: Mapping[str, str]
    values: tuple[tuple[float, float], ...]


def selectors(gate: MetricGate) -> tuple[str, str]:
    """Answer the two selectors of an own gate: of the good ones, and of all."""
    if gate.histogram is None:
        return gate.good or "", gate.total or ""
    name, inside = _name_and_matchers(gate.histogram)
    bucket = ",".join(filter(None, (inside, f'le=~"{_written(gate.histogram.le)}"')))
    return f"{name}_bucket{{{bucket}}}", f"{name}_count{{{inside}}}" if inside else f"{name}_count"


def both_of(histogram: Histogram) -> str:
    """Answer one selector for the bucket and the count of a histogram, so that one answer has both."""
    name, inside = _name_and_matchers(histogram)
    matchers = (f'__name__=~"{name}_(bucket|count)"', inside, f'le=~"{_written(histogram.le)}|"')
    return f"{{{','.join(filter(None, matchers))}}}"


def _name_and_matchers(histogram: Histogram) -> tuple[str, str]:
    name, _, matchers = histogram.metric.partition("{")
    return name, matchers.rstrip("}").strip().rstrip(",")


def _written(bound: float) -> str:
    """Answer a pattern for every way to write a bound: Prometheus 3 writes 1.0 and 1e+06, others 1 and 1000000."""
    digits = len(Decimal(repr(bound)).normalize().as_tuple().digits)
    plain = f"{bound:.12g}"
    ways = dict.fromkeys((plain, f"{plain}.0", repr(bound), f"{bound:.{digits - 1}e}"))
    return "|".join(ways).replace("+", "[+]").replace(".", "[.]")


def own_key(gate: MetricGate) -> str:
    """Answer the name under which a checkpoint keeps a gate's series: another one once its selectors are others."""
    return f"{gate.name}@{hashlib.sha256(repr(selectors(gate)).encode()).hexdigest()[:8]}"


def identity(labels: Mapping[str, str]) -> str:
    """Answer the name under which a checkpoint keeps one series."""
    return hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:12]


def window(*, began: float, kept: OwnCounts | None, at: float) -> timedelta:
    """Answer how far back raw samples are asked for: behind the beginning of the stage, or behind what was kept.

    All times are Unix seconds by the clock of Prometheus.
    """
    if kept is None:
        return timedelta(seconds=at - began) + BEFORE
    newest = max(series.at for series in (*kept.good.values(), *kept.total.values()))
    return timedelta(seconds=at - newest) + SLACK


def without(labels: Mapping[str, str], left_out: frozenset[str]) -> Mapping[str, str]:
    """Answer labels without some of them."""
    if left_out.isdisjoint(labels):
        return labels
    return {name: value for name, value in labels.items() if name not in left_out}


def of_one_replica(samples: Iterable[Samples], replica_labels: frozenset[str]) -> list[Samples]:
    """Answer each series once, as the replica of Prometheus gave it that has its newest sample.

    Samples of two replicas are never mixed: each scrapes at times of its own. Where two have the newest, the names of
    the replicas decide, so that series of one process come from one replica.
    """
    chosen: dict[str, tuple[float, list[str], Samples]] = {}
    for one in samples:
        labels = without(one.labels, replica_labels)
        name, replica = identity(labels), [one.labels.get(label, "") for label in sorted(replica_labels)]
        newest = one.values[-1][0] if one.values else 0.0
        if name not in chosen or (newest, replica) > chosen[name][:2]:
            chosen[name] = (newest, replica, Samples(labels, one.values))
    return [one for _, _, one in chosen.values()]


def up_to_the_same_time(
    good: Iterable[Samples], total: Iterable[Samples]
) -> tuple[tuple[Samples, ...], tuple[Samples, ...]]:
    """Answer the samples of two selectors as of one moment.

    A series that both match is taken from one answer, since two replicas of Prometheus may have given them. Then what
    is newer in one than the newest sample of the other is cut: where one metric ends and the other goes on, renamed or
    no longer scraped, nothing is counted of one alone.
    """
    totals = tuple(total)
    in_both = {identity(one.labels): one for one in totals}
    goods = tuple(in_both.get(identity(one.labels), one) for one in good)
    until = min((newest for found in (goods, totals) if (newest := newest_of(found)) is not None), default=0.0)
    return _cut(goods, until), _cut(totals, until)


def newest_of(samples: Iterable[Samples]) -> float | None:
    """Answer the Unix time of the newest sample, None if there is none."""
    return max((one.values[-1][0] for one in samples if one.values), default=None)


def _cut(samples: Iterable[Samples], until: float) -> tuple[Samples, ...]:
    cut = (Samples(one.labels, tuple(pair for pair in one.values if pair[0] <= until)) for one in samples)
    return tuple(one for one in cut if one.values)


def count_anew(
    samples: Iterable[Samples], *, kept: Kept | None, began: float, earlier: Mapping[str, float] | None = None
) -> dict[str, OwnSeries] | Unreadable:
    """Answer what each series has gained since the stage began (Unix seconds), from what was kept and new samples.

    `earlier`: values at the beginning of the stage, by identity, of series that were there and have not been kept.
    """
    followed = dict(kept or {})
    found = tuple(samples)
    if len(found) > MOST_SERIES:
        return Unreadable(
            "TooManySeries", f"a selector matches {len(found)} series, at most {MOST_SERIES} are followed"
        )
    for one in found:
        name = identity(one.labels)
        after = _follow(one, followed.get(name) or _at_the_beginning(one, began, (earlier or {}).get(name, 0.0)))
        if isinstance(after, Unreadable):
            return after
        followed[name] = after
    return followed


def _at_the_beginning(one: Samples, began: float, known: float) -> OwnSeries:
    before = [(at, value) for at, value in one.values if at <= began]
    at, last = before[-1] if before else (began, known)
    return OwnSeries(at=at, last=last, gained=0.0)


def _follow(one: Samples, before: OwnSeries) -> OwnSeries | Unreadable:
    name = one.labels.get("__name__", "a series")
    last, gained, at = before.last, before.gained, before.at
    for when, value in one.values:
        if not isfinite(value) or value < 0 or value != int(value):
            return Unreadable("QueryError", f"{name} is {value:g}, which is not a count")
        if when <= at:
            continue
        if last > value > _GAUGE_FALLS_TO * last:
            return Unreadable(
                "NotACounter", f"{name} fell from {last:g} to {value:g}: a counter only grows, or restarts"
            )
        gained += value - last if value >= last else value
        last, at = value, when
    return OwnSeries(at=at, last=last, gained=gained)
