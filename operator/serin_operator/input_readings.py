"""What runs are asked, read from Prometheus beside the passes: seldom, and for one resource at a time.

The query reads a week of samples, so that it must not take the turns of those that gates are judged on. What arrives
queues the resource. Nothing is kept over a restart.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Generic, TypeVar

from serin_core.api.resource import Resource
from serin_core.counting.inputs import WINDOW, InputsSeen, inputs_query, inputs_seen
from serin_core.counting.reading import Unreadable
from serin_core.rollout.drift import serving_run
from serin_operator.background import BackgroundTasks
from serin_operator.interfaces import Prometheus

KeyT = TypeVar("KeyT")
EVERY: Final = timedelta(hours=1)
"""Time between two readings of a resource, whether or not the first succeeded."""
_TASK: Final = "inputs"


@dataclass(slots=True)
class _OfResource:
    asked: tuple[str, str]
    """Uid of the resource and the run."""
    next_at: float
    found: InputsSeen | None = None


class InputReadings(Generic[KeyT]):
    """The newest reading of each resource. `enqueue` is called with the key of one that has a new one."""

    def __init__(
        self,
        prometheus: Prometheus,
        *,
        enqueue: Callable[[KeyT], None],
        clock: Callable[[], float],
        window: timedelta = WINDOW,
    ) -> None:
        self._prometheus, self._enqueue, self._clock, self._window = prometheus, enqueue, clock, window
        self._tasks: BackgroundTasks[KeyT] = BackgroundTasks()
        self._turn = asyncio.Semaphore(1)
        self._of: dict[KeyT, _OfResource] = {}

    def newest(self, key: KeyT, resource: Resource) -> InputsSeen | None:
        """Return what is known of the inputs of the serving run, and start a reading if one is due; never wait."""
        run_id = "" if resource.status is None else serving_run(resource.status)
        if not run_id:
            self.forget(key)
            return None
        asked, now = (resource.uid, run_id), self._clock()
        mine = self._of.get(key)
        if mine is None or mine.asked != asked:
            self._tasks.forget(key)
            mine = self._of[key] = _OfResource(asked, now)
        if now >= mine.next_at and self._tasks.get(key, _TASK) is None:
            mine.next_at = now + EVERY.total_seconds()
            work = self._read(resource.spec.analysis.prometheus, *asked)
            self._tasks.start(key, _TASK, work, lambda found: self._keep(key, mine, found))
        return mine.found

    def forget(self, key: KeyT) -> None:
        """Drop everything of a resource that is gone."""
        self._tasks.forget(key)
        self._of.pop(key, None)

    async def close(self) -> None:
        """Cancel all readings."""
        await self._tasks.close()

    async def _read(self, endpoint: str, uid: str, run_id: str) -> InputsSeen | None:
        async with self._turn:
            found = await self._prometheus.read(endpoint, inputs_query(uid, run_id, window=self._window))
        return None if isinstance(found, Unreadable) else inputs_seen(run_id, found)

    def _keep(self, key: KeyT, mine: _OfResource, found: InputsSeen | None) -> None:
        # What cannot be read changes nothing: the condition stays as it is.
        if found is not None:
            mine.found = found
            self._enqueue(key)
