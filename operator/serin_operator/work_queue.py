"""The work queue: keys that are to be reconciled, now or later.

A key is never worked on twice at once; added again while it is worked on, it is worked on once more afterwards. Keys
are deduplicated and can be delayed; a key that fails comes back after a growing, jittered delay. Delayed keys that may
come a little early come together with one that is due, so that what they read can be read together.
"""

import asyncio
import heapq
import logging
import random
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from typing import Final, Generic, TypeVar
from uuid import uuid4

from serin_core.backoff import backoff
from serin_operator.logs import RECONCILE_ID

log = logging.getLogger(__name__)

KeyT = TypeVar("KeyT", bound=Hashable)
MIN_RETRY: Final = 0.1
MAX_RETRY: Final = 60.0
SLACK: Final = 0.1
"""Share of its delay by which a check may come early."""
MAX_SLACK: Final = 3.0
"""Maximum number of seconds by which a check may come early."""
MAX_TOGETHER: Final = 100
"""Maximum number of keys that come together: others that are queued meanwhile must not wait long."""


@dataclass(frozen=True, slots=True)
class Result:
    """How work on a key ended."""

    outcome: str
    """One word, for the metric."""
    requeue_after: timedelta | None
    """When to work on the key again; None: after the next event."""
    is_settled: bool = True
    """Whether it succeeded; else the key comes back after a growing delay, `requeue_after` at the latest."""


@dataclass
class WorkQueue(Generic[KeyT]):
    """Keys to be worked on. `clock` returns monotonic seconds."""

    clock: Callable[[], float]
    on_due: Callable[[Sequence[KeyT]], None] = lambda _keys: None
    """Called with delayed keys that are ready now, before any of them is worked on."""
    _ready: dict[KeyT, None] = field(default_factory=dict)
    _delayed: list[tuple[float, int, float, KeyT]] = field(default_factory=list)
    """When a key is due, a number, and how many seconds it may come early."""
    _due: dict[KeyT, float] = field(default_factory=dict)
    _working: dict[KeyT, float] = field(default_factory=dict)
    """Keys that are worked on, and since when."""
    _added_while_working: set[KeyT] = field(default_factory=set)
    _failures: dict[KeyT, int] = field(default_factory=dict)
    _count: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, key: KeyT) -> None:
        """Queue a key for the next free worker."""
        self._due.pop(key, None)
        if key in self._working:
            self._added_while_working.add(key)
        else:
            self._ready[key] = None
        self._changed.set()

    def add_after(self, key: KeyT, seconds: float, *, slack: float = 0.0) -> None:
        """Queue a key for later, unless it is already due before then. It may come `slack` seconds early."""
        if seconds <= 0:
            self.add(key)
            return
        due = self.clock() + seconds
        if key in self._ready or key in self._added_while_working or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._delayed, (due, self._count, slack, key))
        self._changed.set()

    def take(self) -> KeyT | None:
        """Return the next key that is not being worked on, or None; `done` must follow."""
        self._add_due()
        for key in self._ready:
            del self._ready[key]
            self._working[key] = self.clock()
            return key
        return None

    def done(self, key: KeyT) -> None:
        """Record that work on a key has ended."""
        self._working.pop(key, None)
        if key in self._added_while_working:
            self._added_while_working.discard(key)
            self.add(key)

    def retry_delay(self, key: KeyT) -> float:
        """Record a failure, and return the seconds until the key is tried again: doubling, with jitter."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = backoff(MIN_RETRY, MAX_RETRY, failures=failures)
        return delay * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, no secret

    def requeue_delay(self, key: KeyT, result: Result) -> float | None:
        """Record a result, and return the seconds until the key comes back; None: after the next event."""
        after = None if result.requeue_after is None else result.requeue_after.total_seconds()
        if result.is_settled:
            self.forget_failures(key)
            return after
        delay = self.retry_delay(key)
        return delay if after is None else min(delay, after)

    def forget_failures(self, key: KeyT) -> None:
        """Let a key's next retry be a first one again."""
        self._failures.pop(key, None)

    def depth(self) -> int:
        """Return the number of keys that wait for a worker."""
        return len(self._ready)

    def longest(self) -> tuple[KeyT, float] | None:
        """Return the key that has been worked on for the longest time, and for how many seconds; None if none is."""
        if not self._working:
            return None
        key = min(self._working, key=self._working.__getitem__)
        return key, self.clock() - self._working[key]

    async def wait(self) -> None:
        """Wait until a key may be ready."""
        self._add_due()
        if self._ready:
            return
        self._changed.clear()
        timeout = max(self._delayed[0][0] - self.clock(), 0.0) if self._delayed else None
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return

    def _add_due(self) -> None:
        now = self.clock()
        if not self._next_due() <= now:
            return
        early: list[tuple[float, int, float, KeyT]] = []
        together: list[KeyT] = []
        while len(together) < MAX_TOGETHER and self._next_due() <= now + MAX_SLACK:
            entry = heapq.heappop(self._delayed)
            due, _, slack, key = entry
            if due - slack > now:
                early.append(entry)
                continue
            together.append(key)
            self.add(key)
        for entry in early:
            heapq.heappush(self._delayed, entry)
        self.on_due(together)

    def _next_due(self) -> float:
        """Return when the next key is due, without entries that an earlier one or add() has overtaken."""
        while self._delayed and self._due.get(self._delayed[0][-1]) != self._delayed[0][0]:
            heapq.heappop(self._delayed)
        return self._delayed[0][0] if self._delayed else inf


async def work(
    queue: WorkQueue[KeyT],
    handle: Callable[[KeyT], Awaitable[Result]],
    *,
    deadline: float,
    on_failure: Callable[[KeyT, Exception], None] = lambda _key, _error: None,
    retry_after: Callable[[Exception], float] = lambda _error: 0.0,
) -> None:
    """Work on keys until cancelled, each within `deadline` seconds; pass every exception to `on_failure`.

    A key that failed is not worked on again before `retry_after` of the exception, in seconds, at most MAX_RETRY.

    The one place where any exception is caught: a resource that fails must not stop the others.
    """
    while True:
        key = queue.take()
        if key is None:
            await queue.wait()
            continue
        RECONCILE_ID.set(uuid4().hex[:8])
        slack = 0.0
        try:
            async with asyncio.timeout(deadline):
                result = await handle(key)
            delay = queue.requeue_delay(key, result)
            slack = SLACK if result.is_settled else 0.0
        except Exception as error:
            on_failure(key, error)
            delay = max(queue.retry_delay(key), min(retry_after(error), MAX_RETRY))
            log.warning("%s: %s: %s; retrying in %.1f s", key, type(error).__name__, error, delay)
            log.debug("%s", key, exc_info=True)
        finally:
            queue.done(key)
        if delay is not None:
            queue.add_after(key, delay, slack=min(slack * delay, MAX_SLACK))
