"""Readings of stages, taken beside the passes: no decision waits for a Prometheus that is slow or does not respond.

A pass starts a reading where it has none, gives it a moment, and then decides on what is known. What arrives later
queues the resource, and is new evidence for the first pass whose status is written. Nothing is kept over a restart.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Generic, TypeVar

from serin_core.api.resource import Resource
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import Reading, StageCounts
from serin_core.counting.stage_query import DELAY
from serin_core.rollout.observation import NOT_ASKED, NOT_READ
from serin_operator.background import BackgroundTasks
from serin_operator.stage_reader import StageQuestion, StageReader, StageReading

log = logging.getLogger(__name__)

KeyT = TypeVar("KeyT")
PATIENCE: Final = 0.25
"""Seconds that a pass gives a reading which it has started, unless the last one took longer."""
DEADLINE: Final = 50.0
"""Seconds for all queries of a reading. With what follows it is younger than a minute (MAX_AGE) when it is judged."""
MAX_AGE: Final = DELAY
_TASK: Final = "reading"
_TOO_SLOW: Final = Unreadable("Unreachable", f"Prometheus did not return all results within {DEADLINE:g} s")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a pass knows of the counts of its stage."""

    counts: Reading
    queries: Mapping[str, float | Unreadable] = field(default_factory=dict)
    is_new: bool = True
    """Whether no decision has been made on it yet."""


@dataclass(frozen=True, slots=True)
class _Found:
    asked: StageQuestion
    at: datetime
    reading: StageReading
    is_new: bool = True

    def is_evidence(self, asked: StageQuestion, now: datetime) -> bool:
        return self.is_new and self.asked == asked and now - self.at <= MAX_AGE


@dataclass(slots=True)
class _OfResource:
    found: _Found | None = None
    next: StageQuestion | None = None
    """What the next pass is going to ask, unless the resource is edited before."""
    asking: StageQuestion | None = None
    """What was asked for last."""
    began: float = 0.0
    """When that was, by the clock of the loop."""
    is_late: bool = False
    """Whether the last reading took longer than a pass waits."""
    is_expected: bool = False
    """Whether a pass is going to take what arrives, so that no other need be queued."""


class Readings(Generic[KeyT]):
    """The newest reading of each resource. `enqueue` is called with the key of one that no pass waits for."""

    def __init__(
        self,
        reader: StageReader,
        *,
        enqueue: Callable[[KeyT], None],
        clock: Callable[[], datetime],
        patience: float = PATIENCE,
    ) -> None:
        self._reader, self._enqueue, self._clock, self._patience = reader, enqueue, clock, patience
        self._tasks: BackgroundTasks[KeyT] = BackgroundTasks()
        self._of: dict[KeyT, _OfResource] = {}

    def ahead(self, keys: Iterable[KeyT]) -> None:
        """Start readings for passes that begin soon, so that they share a query."""
        for key in keys:
            mine = self._of.get(key)
            if mine is not None and mine.next is not None:
                mine.is_expected = True
                self._start(key, mine.next, mine)

    def begin(self, key: KeyT, resource: Resource) -> asyncio.Task[None] | None:
        """Start a reading at the beginning of a pass, unless one is under way or unused; return what is under way."""
        asked = StageQuestion.of(resource)
        if asked is None:
            if self._tasks.get(key, _TASK) is None:
                self._of.pop(key, None)
            return None
        mine = self._of.setdefault(key, _OfResource())
        mine.is_expected = True
        if mine.found is not None and mine.found.asked.place != asked.place:
            mine.found = None
        self._start(key, asked, mine)
        return self._tasks.get(key, _TASK) if mine.asking == asked else None

    async def newest(self, key: KeyT, resource: Resource, started: asyncio.Task[None] | None) -> Seen:
        """Return what is known, after a moment for the reading that was `started` for this pass."""
        asked, mine = StageQuestion.of(resource), self._of.get(key)
        if asked is None or mine is None:
            return Seen(NOT_ASKED)
        if started is not None and not started.done() and not mine.is_late:
            left = mine.began + self._patience - asyncio.get_running_loop().time()
            await asyncio.wait((started,), timeout=max(left, 0.0))
            mine.is_late = not started.done()
        mine.is_expected = False
        found = mine.found
        if found is not None and found.is_evidence(asked, self._clock()):
            return Seen(found.reading.counts, found.reading.queries)
        # What arrived meanwhile may have been of another stage.
        self._start(key, asked, mine)
        if found is None or found.asked.place != asked.place:
            return Seen(NOT_READ, is_new=False)
        return Seen(found.reading.counts, is_new=False)

    def judged(self, key: KeyT, seen: Seen, after: Resource) -> None:
        """Record that a status has been written which was decided on a reading; `after` has that status."""
        mine = self._of.get(key)
        if mine is None:
            return
        mine.next = StageQuestion.of(after)
        if seen.is_new and mine.found is not None and mine.found.reading.counts is seen.counts:
            counts = seen.counts if isinstance(seen.counts, Unreadable) else StageCounts({})
            # Of counts that were judged, only that they could be read is of use.
            mine.found = replace(mine.found, reading=StageReading(counts), is_new=False)

    def forget(self, key: KeyT) -> None:
        """Drop everything of a resource that is gone."""
        self._tasks.forget(key)
        self._of.pop(key, None)

    async def close(self) -> None:
        """Cancel all readings."""
        await self._tasks.close()
        await self._reader.close()

    def _start(self, key: KeyT, asked: StageQuestion, mine: _OfResource) -> None:
        now = self._clock()
        is_there = mine.found is not None and mine.found.is_evidence(asked, now)
        if is_there or self._tasks.get(key, _TASK) is not None:
            return
        mine.asking, mine.began = asked, asyncio.get_running_loop().time()

        def done(reading: StageReading) -> None:
            took = asyncio.get_running_loop().time() - mine.began
            mine.found, mine.is_late = _Found(asked, now, reading), took > self._patience
            if not mine.is_expected:
                self._enqueue(key)

        self._tasks.start(key, _TASK, self._read(key, asked, now), done)

    async def _read(self, key: KeyT, asked: StageQuestion, now: datetime) -> StageReading:
        try:
            async with asyncio.timeout(DEADLINE):
                return await self._reader.read(asked, now)
        except TimeoutError:
            return StageReading(_TOO_SLOW, {query.name: _TOO_SLOW for query in asked.queries})
        except Exception as error:
            log.exception("%s: the counts cannot be evaluated", key)
            problem = Unreadable("QueryError", f"the counts cannot be evaluated: {type(error).__name__}: {error}")
            return StageReading(problem, {query.name: problem for query in asked.queries})
