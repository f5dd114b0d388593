"""Reading the counters of own gates: raw samples of two selectors at one time. Counts nothing by itself."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from serin_core.counting import Asked, Samples, Unreadable, count_anew, own_key, selectors, stale_after, window
from serin_core.gate_spec import MetricGate
from serin_core.status import OwnCounts
from serin_operator.ports import Metrics

SETTLED: Final = 10.0
"""Seconds: both selectors are read up to so long ago, so that no scrape comes in between the two."""


@dataclass(frozen=True, slots=True)
class OwnReader:
    """Reads own gates of one resource in one pass. `at` is the present Unix time of Prometheus, `now` our own."""

    metrics: Metrics
    endpoint: str
    asked: Asked
    at: float
    now: datetime

    async def read(self, gates: Iterable[MetricGate]) -> dict[str, OwnCounts | Unreadable]:
        """Answer what each own gate has counted since the stage began, by `own_key`."""
        own = [gate for gate in gates if gate.is_own and not gate.disabled]
        found = await asyncio.gather(*map(self._read_one, own))
        return {own_key(gate): one for gate, one in zip(own, found, strict=True)}

    async def _read_one(self, gate: MetricGate) -> OwnCounts | Unreadable:
        checkpoint = self.asked.checkpoint
        kept = None if checkpoint is None else checkpoint.own.get(own_key(gate))
        kept_at = None if checkpoint is None or kept is None else checkpoint.at
        back = int(window(began=self.asked.started_at, kept_at=kept_at, now=self.now).total_seconds())
        of_good, of_total = selectors(gate)
        good, total = await asyncio.gather(self._samples(of_good, back), self._samples(of_total, back))
        if isinstance(good, Unreadable):
            return good
        if isinstance(total, Unreadable):
            return total
        return self._is_stale(gate, total, has_counted=kept is not None) or self._count(gate, good, total, kept)

    async def _samples(self, selector: str, back: int) -> list[Samples] | Unreadable:
        return await self.metrics.read_samples(self.endpoint, f"{selector}[{back}s]", self.at - SETTLED)

    def _count(
        self, gate: MetricGate, good: list[Samples], total: list[Samples], kept: OwnCounts | None
    ) -> OwnCounts | Unreadable:
        began = self.at - (self.now - self.asked.started_at).total_seconds()
        goods = count_anew(good, kept=None if kept is None else kept.good, began=began)
        totals = count_anew(total, kept=None if kept is None else kept.total, began=began)
        if isinstance(goods, Unreadable):
            return goods
        if isinstance(totals, Unreadable):
            return totals
        if gate.histogram is not None and totals and not goods:
            return Unreadable("BucketMissing", f"{gate.histogram.metric} has no bucket le={gate.histogram.le:g}")
        return OwnCounts(good=goods, total=totals)

    def _is_stale(self, gate: MetricGate, total: list[Samples], *, has_counted: bool) -> Unreadable | None:
        newest = max((one.values[-1][0] for one in total if one.values), default=None)
        if newest is None:
            return Unreadable("Stale", f"{gate.name}: its series have ended") if has_counted else None
        if self.at - newest > stale_after(self.asked.interval).total_seconds():
            return Unreadable("Stale", f"{gate.name}: the newest sample of its series is too old")
        return None
