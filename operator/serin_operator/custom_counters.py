"""Reading the counters of own gates: raw samples of two selectors at one time. Counts nothing by itself."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from serin_core.api.gates import MetricGate
from serin_core.api.status import OwnCounts, OwnSeries
from serin_core.counting import (
    BEFORE,
    LONGEST,
    Kept,
    Samples,
    StageQuery,
    Unreadable,
    both_of,
    count_anew,
    identity,
    newest_of,
    own_key,
    selectors,
    stale_after,
    up_to_the_same_time,
    window,
)
from serin_operator.interfaces import Metrics

SETTLED: Final = 10.0
"""Seconds: both selectors are read up to so long ago, so that no scrape comes in between the two."""
_NOTHING: Final = OwnCounts()
_Found = list[Samples] | Unreadable


@dataclass(frozen=True, slots=True)
class OwnReader:
    """Reads own gates of one resource in one pass, and is not used for another.

    `at` is the present Unix time of Prometheus, `now` our own.
    """

    metrics: Metrics
    endpoint: str
    asked: StageQuery
    at: float
    now: datetime
    _asked_for: dict[tuple[str, int], asyncio.Task[_Found]] = field(default_factory=dict, compare=False, repr=False)
    """Gates often share their total: what was asked for in this pass is not asked for again."""

    async def read(self, gates: Iterable[MetricGate]) -> dict[str, OwnCounts | Unreadable]:
        """Answer what each own gate has counted since the stage began, by `own_key`."""
        own = [gate for gate in gates if gate.is_custom and not gate.disabled]
        found = await asyncio.gather(*map(self._read_one, own))
        return {own_key(gate): one for gate, one in zip(own, found, strict=True)}

    async def _read_one(self, gate: MetricGate) -> OwnCounts | Unreadable:
        checkpoint = self.asked.checkpoint
        kept = _NOTHING if checkpoint is None else checkpoint.own.get(own_key(gate), _NOTHING)
        began = self._began if kept.total else max(self._began, self.at - LONGEST.total_seconds())
        back = int(window(began=began, kept=kept if kept.total else None, at=self.at).total_seconds())
        of_good, of_total = selectors(gate)
        good, total = await self._both(gate, back)
        if isinstance(good, Unreadable):
            return good
        if isinstance(total, Unreadable):
            return total
        if gate.histogram is not None and total and not good:
            return Unreadable("BucketMissing", f"{gate.histogram.metric} has no bucket le={gate.histogram.le:g}")
        stale = self._is_stale(gate, total, had_any=bool(kept.total)) or self._is_stale(
            gate, good, had_any=bool(kept.good)
        )
        if stale is not None:
            return stale
        goods, totals = up_to_the_same_time(good, total)
        counts = await asyncio.gather(
            *(
                self._count(selector, samples, series if kept.total else None, began)
                for selector, samples, series in ((of_good, goods, kept.good), (of_total, totals, kept.total))
            )
        )
        return _together(*counts)

    @property
    def _began(self) -> float:
        return self.at - (self.now - self.asked.started_at).total_seconds()

    async def _both(self, gate: MetricGate, back: int) -> tuple[_Found, _Found]:
        if gate.histogram is None:
            good, total = await asyncio.gather(*(self._samples(selector, back) for selector in selectors(gate)))
            return good, total
        found = await self._samples(both_of(gate.histogram), back)
        if isinstance(found, Unreadable):
            return found, found
        buckets = [one for one in found if "le" in one.labels]
        return buckets, [one for one in found if "le" not in one.labels]

    async def _samples(self, selector: str, back: int) -> _Found:
        wanted = (selector, back)
        if wanted not in self._asked_for:
            asking = self.metrics.read_samples(self.endpoint, f"{selector}[{back}s]", self.at - SETTLED)
            self._asked_for[wanted] = asyncio.create_task(asking)
        return await self._asked_for[wanted]

    async def _count(
        self, selector: str, samples: tuple[Samples, ...], kept: Kept | None, began: float
    ) -> dict[str, OwnSeries] | Unreadable:
        earlier: Mapping[str, float] | Unreadable = {}
        if kept is not None and any(identity(one.labels) not in kept for one in samples):
            earlier = await self._at_the_beginning(selector, began)
        if isinstance(earlier, Unreadable):
            return earlier
        return count_anew(samples, kept=kept, began=began, earlier=earlier)

    async def _at_the_beginning(self, selector: str, began: float) -> Mapping[str, float] | Unreadable:
        """Answer the values that series had when the stage began: one that appears now need not have been born now."""
        query = f"last_over_time({selector}[{BEFORE.total_seconds():.0f}s] @ {began:.3f})"
        found = await self.metrics.read(self.endpoint, query)
        return found if isinstance(found, Unreadable) else {identity(one.labels): one.value for one in found}

    def _is_stale(self, gate: MetricGate, samples: list[Samples], *, had_any: bool) -> Unreadable | None:
        newest = newest_of(samples)
        if newest is None:
            return Unreadable("Stale", f"{gate.name}: its series have ended") if had_any else None
        if newest > self.at:
            return Unreadable("FutureSamples", f"{gate.name}: Prometheus gave samples of a time that has not come yet")
        if self.at - newest > stale_after(self.asked.interval).total_seconds():
            return Unreadable("Stale", f"{gate.name}: the newest sample of its series is too old")
        return None


def _together(
    good: dict[str, OwnSeries] | Unreadable, total: dict[str, OwnSeries] | Unreadable
) -> OwnCounts | Unreadable:
    if isinstance(good, Unreadable):
        return good
    return total if isinstance(total, Unreadable) else OwnCounts(good=good, total=total)
