"""Counts each user once per run and stage: in this process at once, over all pods where they share a store.

Never holds a request up, and never counts a user twice: while the store is away its new users are not counted at all.
"""

import asyncio
import logging
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from serin_server.metrics.counters import Agree, Arm, StageCounts, user_entry
from serin_server.stores.store import SharedUsers, StoreError

_EVERY: Final = 0.2
_MOST_WAITING: Final = 10_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Compared:
    counts: StageCounts
    arm: Arm
    agree: Agree
    entry: int

    def count(self) -> None:
        self.counts.arms[self.arm].users[self.agree] += 1


class UserCounts:
    """Takes every comparison of a user and counts the first one."""

    def __init__(self, shared: SharedUsers | None) -> None:
        """Take the store that all pods share, or None: then each process counts its own users."""
        self._shared = shared
        self._waiting: list[_Compared] = []
        self._is_reachable = True

    def compared(self, counts: StageCounts, *, arm: Arm, user: int, agree: Agree) -> None:
        """Take note of one comparison of a user, by the user's 64 bits."""
        if len(self._waiting) >= _MOST_WAITING:
            return
        entry = user_entry(user, agree)
        if not counts.is_first(entry):
            return
        one = _Compared(counts, arm, agree, entry)
        if self._shared is None:
            one.count()
        else:
            self._waiting.append(one)

    async def flush(self) -> None:
        """Ask the shared store about all users that wait, and count those whom no other pod has counted."""
        waiting, self._waiting = self._waiting, []
        for key, group in groupby(waiting, key=lambda one: one.counts.key):
            of_stage = {one.entry: one for one in group}
            try:
                first = await self._shared.first_compared(key, of_stage) if self._shared is not None else ()
            except StoreError as error:
                self._reached(is_reachable=False, why=str(error))
                return
            self._reached(is_reachable=True)
            for entry in first:
                of_stage[entry].count()

    async def run(self) -> None:
        """Flush again and again until cancelled."""
        while self._shared is not None:
            await asyncio.sleep(_EVERY)
            if self._waiting:
                await self.flush()

    def _reached(self, *, is_reachable: bool, why: str = "") -> None:
        if self._is_reachable and not is_reachable:
            _log.warning("users are not counted for agreement until the store is back: %s", why)
        if not self._is_reachable and is_reachable:
            _log.info("the store is back, users are counted again")
        self._is_reachable = is_reachable
