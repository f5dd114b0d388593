"""The work queue: keys that wait to be reconciled, now or later.

One key is never worked on twice at once; told of again while it is worked on, it is looked at once more afterwards.
Deduplicated, delayed, with bounded workers; a key that fails comes back after a growing, jittered time.
"""

import asyncio
import heapq
import logging
import random
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

KeyT = TypeVar("KeyT", bound=Hashable)
FIRST_RETRY = 0.1
LONGEST_RETRY = 60.0


@dataclass(frozen=True, slots=True)
class Result:
    """How work on a key has ended: in how many seconds to look again (None: when told), and whether all went well.

    Where it did not, the key comes back after a growing time, `after` at the latest.
    """

    after: float | None
    is_settled: bool = True


@dataclass
class WorkQueue(Generic[KeyT]):
    """Keys to be worked on. `clock` answers monotonic seconds."""

    clock: Callable[[], float]
    _ready: dict[KeyT, None] = field(default_factory=dict)
    _later: list[tuple[float, int, KeyT]] = field(default_factory=list)
    _due: dict[KeyT, float] = field(default_factory=dict)
    _working: set[KeyT] = field(default_factory=set)
    _again: set[KeyT] = field(default_factory=set)
    _failures: dict[KeyT, int] = field(default_factory=dict)
    _count: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, key: KeyT) -> None:
        """Have a key looked at as soon as a worker is free."""
        self._due.pop(key, None)
        if key in self._working:
            self._again.add(key)
        else:
            self._ready[key] = None
        self._changed.set()

    def add_after(self, key: KeyT, seconds: float) -> None:
        """Have a key looked at later, unless it is already due before."""
        if seconds <= 0:
            self.add(key)
            return
        due = self.clock() + seconds
        if key in self._ready or key in self._again or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._later, (due, self._count, key))
        self._changed.set()

    def take(self) -> KeyT | None:
        """Answer the next key that nobody works on, or None; `done` must follow."""
        self._wake_due()
        for key in self._ready:
            del self._ready[key]
            self._working.add(key)
            return key
        return None

    def done(self, key: KeyT) -> None:
        """Say that work on a key has ended."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def retry_delay(self, key: KeyT) -> float:
        """Answer how long a key that has just failed waits: doubling, with jitter."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        # An exponent without a bound would overflow long before anybody mends the cluster.
        delay = min(FIRST_RETRY * 2.0 ** min(failures - 1, 16), LONGEST_RETRY)
        return delay * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, no secret

    def when(self, key: KeyT, again: Result) -> float | None:
        """Answer in how many seconds a key comes back, None for when told."""
        if again.is_settled:
            self.succeeded(key)
            return again.after
        delay = self.retry_delay(key)
        return delay if again.after is None else min(delay, again.after)

    def succeeded(self, key: KeyT) -> None:
        """Forget a key's failures."""
        self._failures.pop(key, None)

    def depth(self) -> int:
        """Answer how many keys wait for a worker."""
        return len(self._ready)

    async def wait(self) -> None:
        """Wait until something may be ready."""
        self._wake_due()
        if self._ready:
            return
        self._changed.clear()
        timeout = max(self._later[0][0] - self.clock(), 0.0) if self._later else None
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return

    def _wake_due(self) -> None:
        now = self.clock()
        while self._later and self._later[0][0] <= now:
            due, _, key = heapq.heappop(self._later)
            # An entry that was overtaken by an earlier one, or by add(), is stale.
            if self._due.get(key) == due:
                self.add(key)


async def work(
    queue: WorkQueue[KeyT],
    handle: Callable[[KeyT], Awaitable[Result]],
    *,
    deadline: float,
    failed: Callable[[], None] = lambda: None,
) -> None:
    """Work on keys until cancelled; `failed` is told of every exception.

    The one place where any exception is caught: a resource that fails must not stop the others.
    """
    while True:
        key = queue.take()
        if key is None:
            await queue.wait()
            continue
        try:
            async with asyncio.timeout(deadline):
                again = queue.when(key, await handle(key))
        except Exception as error:
            failed()
            again = queue.retry_delay(key)
            log.warning("%s: %s: %s; again in %.1f s", key, type(error).__name__, error, again)
            log.debug("%s", key, exc_info=True)
        finally:
            queue.done(key)
        if again is not None:
            queue.add_after(key, again)
