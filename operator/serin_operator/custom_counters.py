"""Run the queries of custom gates against Prometheus."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from serin_core.api.custom_gates import CustomGate
from serin_core.api.gate_status import OwnCounts
from serin_core.counting.custom_counters import counters_of
from serin_core.counting.custom_gates import CustomCounting, InstantQuery, Query, QueryResult, count_custom_gate
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import StageQuery
from serin_operator.interfaces import Prometheus


@dataclass(frozen=True, slots=True)
class CustomCounterReader:
    """Reads the custom gates of one resource in one pass. Gates often share a query: each is run once."""

    prometheus: Prometheus
    endpoint: str
    _running: dict[Query, asyncio.Task[QueryResult]] = field(default_factory=dict, compare=False, repr=False)

    async def read(
        self, gates: Iterable[CustomGate], stage: StageQuery, *, at: float, now: datetime
    ) -> dict[str, OwnCounts | Unreadable]:
        """Return what each custom gate has counted since the stage began, by the key of its counters.

        `at` is the current Unix time of Prometheus, `now` the operator's own time.
        """
        wanted = [counters for gate in gates for counters in counters_of(gate)]
        counts = await asyncio.gather(*(self._run(count_custom_gate(one, stage, at=at, now=now)) for one in wanted))
        return {counters.key: one for counters, one in zip(wanted, counts, strict=True)}

    async def _run(self, counting: CustomCounting) -> OwnCounts | Unreadable:
        queries = next(counting)
        while True:
            results = await asyncio.gather(*map(self._query, queries))
            try:
                queries = counting.send(tuple(results))
            except StopIteration as end:
                counts: OwnCounts | Unreadable = end.value
                return counts

    async def _query(self, query: Query) -> QueryResult:
        if query not in self._running:
            self._running[query] = asyncio.create_task(self._start(query))
        return await self._running[query]

    async def _start(self, query: Query) -> QueryResult:
        if isinstance(query, InstantQuery):
            return await self.prometheus.read(self.endpoint, query.text)
        return await self.prometheus.read_samples(self.endpoint, query.text, query.at)
