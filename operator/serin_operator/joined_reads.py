"""Reads of stages that are wanted at the same time: one query for all on the same Prometheus.

Each read gets the series that a query of its own would have returned. A query for several stages that fails is followed
by two of them alone: where both fail, the endpoint is at fault, and all get that result. Otherwise the others are asked
in halves, down to single stages, so that one resource never keeps another from being read.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from serin_core.counting.joined_query import MAX_SERIES, MAX_STAGES, joined_query, packed, shared_out, stage_query
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import Series, StageQuery
from serin_operator.interfaces import Prometheus

log = logging.getLogger(__name__)
WINDOW: Final = 0.02
"""Seconds that a read waits for others. Looks that are due are begun together (work_queue.py), so it may be short."""
REMEMBERED: Final = 600.0
"""Seconds for which it is remembered what does not fit into one query, and how many series a resource has."""
MAX_RETURNED: Final = 4 * MAX_SERIES
"""Series that a query for several stages may return; one for a single stage has no limit."""
_UNKNOWN: Final = 200
"""Series that a resource is expected to have until it is read."""
_PROBES: Final = 2
_NOBODY: Final = Unreadable("Unreachable", "nobody waits for the result any more")
Found = list[Series] | Unreadable


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    asked: StageQuery
    now: datetime
    found: asyncio.Future[Found]

    def end(self, found: Found) -> None:
        if not self.found.done():
            self.found.set_result(found)


_Failed = tuple[_Read, Unreadable]


@dataclass(slots=True)
class _Memory:
    """What is expected of the next queries. Everything is forgotten after REMEMBERED seconds."""

    clock: Callable[[], float]
    _series: dict[str, tuple[int, float]] = field(default_factory=dict)
    _alone: dict[str, tuple[int, float]] = field(default_factory=dict)
    _most: dict[str, tuple[int, float]] = field(default_factory=dict)

    def expect(self, uid: str, series: int) -> None:
        self._series[uid] = (series, self.clock() + REMEMBERED)

    def keep_alone(self, uid: str) -> None:
        self._alone[uid] = (MAX_SERIES + 1, self.clock() + REMEMBERED)

    def limit(self, endpoint: str, stages: int) -> None:
        self._most[endpoint] = (min(stages, self.most(endpoint)), self.clock() + REMEMBERED)

    def expected(self, uid: str) -> int:
        return (self._alone.get(uid) or self._series.get(uid, (_UNKNOWN, 0.0)))[0]

    def most(self, endpoint: str) -> int:
        return self._most.get(endpoint, (MAX_STAGES, 0.0))[0]

    def forget_old(self) -> None:
        now = self.clock()
        self._series, self._alone, self._most = (
            {name: (value, until) for name, (value, until) in found.items() if until > now}
            for found in (self._series, self._alone, self._most)
        )


class JoinedReads:
    """Reads stages, those that are wanted within `window` seconds of the same endpoint together."""

    def __init__(
        self, prometheus: Prometheus, *, window: float = WINDOW, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._prometheus, self._window = prometheus, window
        self._memory = _Memory(clock)
        self._waiting: dict[str, list[_Read]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, endpoint: str, asked: StageQuery, now: datetime) -> Found:
        """Return the series of one stage, as `Prometheus.read` does with a query of its own."""
        read = _Read(asked, now, asyncio.get_running_loop().create_future())
        waiting = self._waiting.setdefault(endpoint, [])
        waiting.append(read)
        if len(waiting) == 1:
            task = asyncio.create_task(self._send(endpoint))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await read.found

    async def close(self) -> None:
        """Cancel all queries."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, endpoint: str) -> None:
        await asyncio.sleep(self._window)
        reads = _wanted(self._waiting.pop(endpoint))
        try:
            await self._ask_each(endpoint, self._packed(endpoint, reads))
        except Exception as error:
            log.debug("%d stages cannot be read", len(reads), exc_info=True)
            for one in _wanted(reads):
                one.found.set_exception(error)

    def _packed(self, endpoint: str, reads: list[_Read]) -> list[list[_Read]]:
        memory = self._memory
        memory.forget_old()
        of_stage = {id(one.asked): one for one in reads}
        groups = packed((one.asked for one in reads), expected=memory.expected, most=memory.most(endpoint))
        return [[of_stage[id(one)] for one in group] for group in groups]

    async def _ask_each(self, endpoint: str, groups: Iterable[list[_Read]]) -> list[_Failed]:
        """End the reads of each group, and return those that failed alone where others could be read."""
        found = await asyncio.gather(
            *((self._ask_alone if len(group) == 1 else self._ask_together)(endpoint, group) for group in groups)
        )
        return [one for failed in found for one in failed]

    async def _ask_alone(self, endpoint: str, reads: list[_Read]) -> list[_Failed]:
        [read] = reads
        found = await _while_wanted(self._prometheus.read(endpoint, stage_query(read.asked, read.now)), reads)
        read.end(found)
        if isinstance(found, Unreadable):
            return [(read, found)]
        self._memory.expect(read.asked.uid, len(found))
        return []

    async def _ask_together(self, endpoint: str, reads: list[_Read]) -> list[_Failed]:
        asked = [one.asked for one in reads]
        query = joined_query(asked, max(one.now for one in reads))
        found = await _while_wanted(self._prometheus.read(endpoint, query, limit=MAX_RETURNED), reads)
        if isinstance(found, Unreadable):
            return await self._ask_apart(endpoint, reads, found)
        of_uid = shared_out(found, asked)
        for one in reads:
            mine = of_uid[one.asked.uid]
            self._memory.expect(one.asked.uid, len(mine))
            one.end(mine)
        return []

    async def _ask_apart(self, endpoint: str, reads: list[_Read], problem: Unreadable) -> list[_Failed]:
        # Others each time: a resource that cannot be read may be among them.
        reads = _wanted(random.sample(reads, len(reads)))
        probes, rest = reads[:_PROBES], reads[_PROBES:]
        failed = await self._ask_each(endpoint, ([one] for one in probes))
        if len(failed) == len(probes):
            for one in rest:
                one.end(failed[0][1])
            return []
        log.debug("a query for %d stages failed, they are read in smaller ones: %s", len(reads), problem.message)
        middle = (len(rest) + 1) // 2
        failed += await self._ask_each(endpoint, filter(None, (rest[:middle], rest[middle:])))
        for one, _ in failed:
            self._memory.keep_alone(one.asked.uid)
        if not failed:
            self._memory.limit(endpoint, max(middle, 1))
        return failed


async def _while_wanted(query: Coroutine[Any, Any, Found], reads: Iterable[_Read]) -> Found:
    """Return the result of a query, which is cancelled when nobody waits for it any more."""
    task = asyncio.create_task(query)

    def cancel(_found: asyncio.Future[Found]) -> None:
        if not _wanted(reads):
            task.cancel()

    for one in reads:
        one.found.add_done_callback(cancel)
    await asyncio.wait((task,))
    return _NOBODY if task.cancelled() else task.result()


def _wanted(reads: Iterable[_Read]) -> list[_Read]:
    """Return the reads that somebody still waits for."""
    return [one for one in reads if not one.found.done()]
