"""Counters of custom gates, from raw samples since the stage began.

They may have been counting for weeks, restart, or end. So each series is followed sample by sample: its increase since
the stage began is counted, and where it fell it has restarted at 0. A series that had no sample before the stage began
is new and counts from 0. Counts are kept in a checkpoint with the time of the last sample, so that a replica of
Prometheus that lags behind adds nothing twice. rate() and increase() are not used: they lose and invent counts at the
edges of their windows.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from math import isfinite
from typing import Final

from serin_core.api.custom_gates import CustomGate, Histogram
from serin_core.api.gate_status import OwnCounts, OwnSeries
from serin_core.api.selectors import name_and_matchers, with_matchers
from serin_core.counting.reading import Unreadable

BEFORE: Final = timedelta(hours=1)
"""How far before a stage samples are read, to distinguish a series that existed from a new one."""
MAX_WINDOW: Final = timedelta(hours=6)
"""Maximum that the first check reads of a stage: a gate that is added to a long stage counts its last hours."""
SLACK: Final = timedelta(minutes=2)
"""How far a later check reads back before the newest sample that was followed."""
MAX_SERIES: Final = 500
_GAUGE_FALLS_TO: Final = 0.5

Kept = Mapping[str, OwnSeries]


@dataclass(frozen=True, slots=True)
class Samples:
    """One series as Prometheus stored it: Unix seconds and values, oldest first."""

    labels: Mapping[str, str]
    values: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class CustomCounters:
    """Counters that are followed: those of a custom gate, or those of its control group."""

    name: str
    key: str
    """Key of their series in a checkpoint; it changes with the selectors."""
    selectors: tuple[str, str]
    """Selectors of good and of total."""
    histogram: Histogram | None = None


def counters_of(gate: CustomGate) -> tuple[CustomCounters, ...]:
    """Return the counters of a custom gate: its own, and with `control` those of the control group."""
    own = CustomCounters(gate.name, custom_key(gate), selectors(gate), gate.histogram)
    if gate.control is None:
        return (own,)
    control = (gate.control.good, gate.control.total)
    return own, CustomCounters(f"{gate.name} (control)", control_key(gate), control)


def selectors(gate: CustomGate) -> tuple[str, str]:
    """Return the selectors of a custom gate: of good and of total."""
    if gate.histogram is None:
        return gate.good or "", gate.total or ""
    name, inside = name_and_matchers(gate.histogram.metric)
    bucket = with_matchers(f"{name}_bucket", inside, f'le=~"{_written(gate.histogram.le)}"')
    return bucket, with_matchers(f"{name}_count", inside)


def both_of(histogram: Histogram) -> str:
    """Return one selector for the bucket and the count of a histogram, so that one response has both."""
    name, inside = name_and_matchers(histogram.metric)
    literal = "".join(one if one.isalnum() or one in "_:" else f"[{one}]" for one in name)
    matchers = (f'__name__=~"{literal}_(bucket|count)"', inside, f'le=~"{_written(histogram.le)}|"')
    return f"{{{','.join(filter(None, matchers))}}}"


def _written(bound: float) -> str:
    """Return a pattern for every notation of a bound: Prometheus 3 writes 1.0 and 1e+06, others what was scraped."""
    digits = len(Decimal(repr(bound)).normalize().as_tuple().digits)
    plain = f"{bound:.12g}"
    whole = f"{bound:.0f}" if bound.is_integer() else plain
    ways = dict.fromkeys((plain, f"{plain}.0", repr(bound), f"{bound:.{digits - 1}e}", whole))
    return "|".join(ways).replace("+", "[+]").replace(".", "[.]")


def custom_key(gate: CustomGate) -> str:
    """Return the key of a gate's series in a checkpoint.

    It changes with the selectors, also with those of the control group: both are counted from the same time on.
    """
    control = () if gate.control is None else (gate.control.good, gate.control.total)
    return f"{gate.name}@{hashlib.sha256(repr((*selectors(gate), *control)).encode()).hexdigest()[:8]}"


def control_key(gate: CustomGate) -> str:
    """Return the key of the control group's series in a checkpoint, "" if the gate has none."""
    return "" if gate.control is None else f"{custom_key(gate)}/control"


def identity(labels: Mapping[str, str]) -> str:
    """Return the key of one series in a checkpoint."""
    return hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:12]


def window(*, began: float, kept: OwnCounts | None, at: float) -> timedelta:
    """Return how far back raw samples are read: before the beginning of the stage, or before what was kept.

    All times are Unix seconds by the clock of Prometheus.
    """
    if kept is None:
        return timedelta(seconds=at - began) + BEFORE
    newest = max(series.at for series in (*kept.good.values(), *kept.total.values()))
    return timedelta(seconds=at - newest) + SLACK


def without(labels: Mapping[str, str], left_out: frozenset[str]) -> Mapping[str, str]:
    """Return labels without those in `left_out`."""
    if left_out.isdisjoint(labels):
        return labels
    return {name: value for name, value in labels.items() if name not in left_out}


def of_one_replica(samples: Iterable[Samples], replica_labels: frozenset[str]) -> list[Samples]:
    """Return each series once, from the replica of Prometheus that has its newest sample.

    Samples of two replicas are never mixed: they scrape at different times. Where two have the newest, the names of
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
    """Return the samples of two selectors up to the same time.

    A series that both match is taken from one response, since they may come from two replicas of Prometheus. Samples of
    one selector that are newer than the newest sample of the other are cut: where one metric ends and the other
    continues, renamed or no longer scraped, neither is counted alone.
    """
    totals = tuple(total)
    in_both = {identity(one.labels): one for one in totals}
    goods = tuple(in_both.get(identity(one.labels), one) for one in good)
    until = min((newest for found in (goods, totals) if (newest := newest_of(found)) is not None), default=0.0)
    return _cut(goods, until), _cut(totals, until)


def newest_of(samples: Iterable[Samples]) -> float | None:
    """Return the Unix time of the newest sample, None if there is none."""
    return max((one.values[-1][0] for one in samples if one.values), default=None)


def _cut(samples: Iterable[Samples], until: float) -> tuple[Samples, ...]:
    cut = (Samples(one.labels, tuple(pair for pair in one.values if pair[0] <= until)) for one in samples)
    return tuple(one for one in cut if one.values)


def follow(
    samples: Iterable[Samples], *, kept: Kept | None, began: float, earlier: Mapping[str, float] | None = None
) -> dict[str, OwnSeries] | Unreadable:
    """Return the increase of each series since the stage began (Unix seconds), from what was kept and new samples.

    `earlier`: values at the beginning of the stage, by identity, of series that existed then and were not kept.
    """
    followed = dict(kept or {})
    found = tuple(samples)
    if len(found) > MAX_SERIES:
        return Unreadable("TooManySeries", f"a selector matches {len(found)} series, at most {MAX_SERIES} are followed")
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
