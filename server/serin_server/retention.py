"""Erases what a store has kept for long enough: in small batches, so that nobody who asks has to wait.

Never trusts a clock that has just jumped: with a wrong time it would erase everything.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from serin_server.clock import Clock
from serin_server.stores.store import Store, StoreError

FIRST_AFTER: Final = 60.0
EVERY: Final = 3600.0
BATCH: Final = 500
"""Rows of each kind that one step erases."""
_BETWEEN: Final = 0.2
_MOST_DRIFT: Final = 60.0
"""Seconds by which two clocks may part between two looks."""
_MILLISECONDS: Final = 1000

_log = logging.getLogger(__name__)


class Retention:
    """Keeps a store from keeping anything for longer than it may."""

    def __init__(
        self,
        store: Store,
        *,
        age: timedelta | None,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take the longest age, None where everything is kept until somebody erases it."""
        self._store, self._age, self._clock, self._sleep = store, age, clock, sleep
        self._looked = clock.now(), clock.monotonic()

    async def run(self) -> None:
        """Erase again and again until cancelled."""
        if self._age is None:
            return
        pause = FIRST_AFTER
        while True:
            await self._sleep(pause)
            pause = EVERY
            await self.look(self._age)

    async def look(self, age: timedelta) -> None:
        """Erase all that is too old now, unless the clock has jumped since the last look."""
        if self._has_jumped():
            _log.warning("the clock has jumped: nothing is erased until it has gone evenly from one look to the next")
            return
        erased = 0
        try:
            while step := await self._store.expire(age, now=int(self._clock.now() * _MILLISECONDS), most=BATCH):
                erased += step
                await self._sleep(_BETWEEN)
        except StoreError as error:
            _log.warning("what is too old is not erased now, but later: %s", error)
        if erased:
            _log.info("%d rows older than %d days were erased", erased, age.days)

    def _has_jumped(self) -> bool:
        before, now = self._looked, (self._clock.now(), self._clock.monotonic())
        self._looked = now
        return abs((now[0] - before[0]) - (now[1] - before[1])) > _MOST_DRIFT
