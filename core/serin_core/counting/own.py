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
from datetime import datetime, timedelta
from math import isfinite
from typing import Final

from serin_core.counting.unreadable import Unreadable
from serin_core.gate_spec import MetricGate
from serin_core.status import OwnSeries

BEFORE: Final = timedelta(minutes=10)
"""How far the first look reaches back behind the stage, to tell a series that was there from one that was born."""
SLACK: Final = timedelta(minutes=2)
"""How far a later look reaches back behind the checkpoint."""
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
    name, _, matchers = gate.histogram.metric.partition("{")
    inside = matchers.rstrip("}").strip().rstrip(",")
    number = f"{gate.histogram.le:.12g}"
    # Prometheus 3 writes the bound 1 as "1.0", earlier ones as "1".
    bound = f'le=~"{number}|{number}.0"'
    bucket = ",".join(filter(None, (inside, bound)))
    return f"{name}_bucket{{{bucket}}}", f"{name}_count{{{inside}}}" if inside else f"{name}_count"


def own_key(gate: MetricGate) -> str:
    """Answer the name under which a checkpoint keeps a gate's series: another one once its selectors are others."""
    return f"{gate.name}@{hashlib.sha256(repr(selectors(gate)).encode()).hexdigest()[:8]}"


def window(*, began: datetime, kept_at: datetime | None, now: datetime) -> timedelta:
    """Answer how far back raw samples are asked for: behind the beginning of the stage, or behind what was kept."""
    return now - began + BEFORE if kept_at is None else now - kept_at + SLACK


def count_anew(samples: Iterable[Samples], *, kept: Kept | None, began: float) -> dict[str, OwnSeries] | Unreadable:
    """Answer what each series has gained since the stage began (Unix seconds), from what was kept and new samples."""
    followed = dict(kept or {})
    found = tuple(samples)
    if len(found) > MOST_SERIES:
        return Unreadable(
            "TooManySeries", f"a selector matches {len(found)} series, at most {MOST_SERIES} are followed"
        )
    for one in found:
        identity = hashlib.sha256(repr(sorted(one.labels.items())).encode()).hexdigest()[:12]
        before = followed.get(identity) or _at_the_beginning(one, began)
        after = _follow(one, before)
        if isinstance(after, Unreadable):
            return after
        followed[identity] = after
    return followed


def _at_the_beginning(one: Samples, began: float) -> OwnSeries:
    earlier = [(at, value) for at, value in one.values if at <= began]
    at, last = earlier[-1] if earlier else (began, 0.0)
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
