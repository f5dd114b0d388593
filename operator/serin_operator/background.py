"""Work outside of any pass: requests to other systems that no decision may wait for, and parts that always run."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

log = logging.getLogger(__name__)

KeyT = TypeVar("KeyT")
FoundT = TypeVar("FoundT")
PAUSE: Final = 5.0
"""Seconds between the end of a part by a bug and its next start."""


async def keep_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run a part of the operator until it returns or is cancelled; after an exception, log it and start it again."""
    while True:
        try:
            return await run()
        except Exception:
            log.exception("%s ended by a bug; starting again in %g s", name, PAUSE)
        await asyncio.sleep(PAUSE)


class BackgroundTasks(Generic[KeyT]):
    """Tasks by resource and name, at most one of each at a time. Nothing here is kept over a restart."""

    def __init__(self) -> None:
        self._running: dict[KeyT, dict[str, asyncio.Task[None]]] = {}

    def start(
        self, key: KeyT, name: str, work: Coroutine[Any, Any, FoundT], done: Callable[[FoundT], None]
    ) -> asyncio.Task[None]:
        """Start a task that passes its result to `done`, unless it is cancelled before.

        A task that ends by an exception is logged and has no result: the next pass starts it again.
        """
        task = asyncio.create_task(self._run(key, name, work, done))
        self._running.setdefault(key, {})[name] = task
        return task

    def running(self, key: KeyT) -> tuple[str, ...]:
        """Return the names of the tasks of a resource."""
        return tuple(self._running.get(key, ()))

    def get(self, key: KeyT, name: str) -> asyncio.Task[None] | None:
        """Return a task that has not ended, None if there is none."""
        return self._running.get(key, {}).get(name)

    def cancel(self, key: KeyT, name: str) -> None:
        """Cancel a task, if it has not ended."""
        task = self.get(key, name)
        if task is not None:
            self._remove(key, name)
            task.cancel()

    def forget(self, key: KeyT) -> None:
        """Cancel all tasks of a resource that is gone."""
        for name in self.running(key):
            self.cancel(key, name)

    async def close(self) -> None:
        """Cancel all tasks, and wait until they have ended."""
        tasks = [task for of_key in self._running.values() for task in of_key.values()]
        self._running.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(
        self, key: KeyT, name: str, work: Coroutine[Any, Any, FoundT], done: Callable[[FoundT], None]
    ) -> None:
        try:
            found = await work
        except Exception:
            log.exception("%s: %s ended by a bug", key, name)
            if self._is_mine(key, name):
                self._remove(key, name)
            return
        except asyncio.CancelledError:
            if self._is_mine(key, name):
                self._remove(key, name)
            raise
        if self._is_mine(key, name):
            self._remove(key, name)
            done(found)

    def _is_mine(self, key: KeyT, name: str) -> bool:
        return self.get(key, name) is asyncio.current_task()

    def _remove(self, key: KeyT, name: str) -> None:
        del self._running[key][name]
        if not self._running[key]:
            del self._running[key]
