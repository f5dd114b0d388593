"""Deletes old rows from the store, in small batches so that requests do not wait.

Nothing is deleted after a jump of the clock: with a wrong time everything would seem old.
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
"""Maximum number of rows of each kind that one step deletes."""
_BETWEEN: Final = 0.2
_MAX_DRIFT: Final = 60.0
"""Seconds by which the two clocks may differ between two checks."""
_MILLISECONDS: Final = 1000

_log = logging.getLogger(__name__)


class Retention:
    """Deletes rows that are older than the retention time."""

    def __init__(
        self,
        store: Store,
        *,
        age: timedelta | None,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`age` is the retention time; None keeps everything."""
        self._store, self._age, self._clock, self._sleep = store, age, clock, sleep
        self._checked_at = clock.now(), clock.monotonic()

    async def run(self) -> None:
        """Delete old rows every hour until cancelled."""
        if self._age is None:
            return
        pause = FIRST_AFTER
        while True:
            await self._sleep(pause)
            pause = EVERY
            await self.check(self._age)

    async def check(self, age: timedelta) -> None:
        """Delete all rows older than `age`, unless the clock has jumped since the last check."""
        if self._has_jumped():
            _log.warning("the clock has jumped; no old rows are deleted until it has been steady between two checks")
            return
        erased = 0
        try:
            while step := await self._store.expire(age, now=int(self._clock.now() * _MILLISECONDS), limit=BATCH):
                erased += step
                await self._sleep(_BETWEEN)
        except StoreError as error:
            _log.warning("old rows are not deleted now, the next check tries again: %s", error)
        if erased:
            _log.info("deleted %d rows older than %d days", erased, age.days)

    def _has_jumped(self) -> bool:
        before, now = self._checked_at, (self._clock.now(), self._clock.monotonic())
        self._checked_at = now
        return abs((now[0] - before[0]) - (now[1] - before[1])) > _MAX_DRIFT
