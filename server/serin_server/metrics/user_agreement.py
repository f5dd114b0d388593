"""Counts each user once per run and stage: in this process, or over all pods if they share a store.

Requests never wait for the store, and no user is counted twice: while the store is unavailable, new users are not
counted.
"""

import asyncio
import logging
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from serin_server.metrics.counters import Agree, Arm, StageCounts, user_mark
from serin_server.stores.store import SharedUsers, StoreError

_EVERY: Final = 0.2
_MAX_WAITING: Final = 10_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Compared:
    counts: StageCounts
    arm: Arm
    agree: Agree
    mark: int

    def count(self) -> None:
        self.counts.arms[self.arm].users[self.agree] += 1


class UserCounts:
    """Counts the first comparison of each user."""

    def __init__(self, shared: SharedUsers | None) -> None:
        """`shared` is the store of all pods; without one each process counts its users."""
        self._shared = shared
        self._waiting: list[_Compared] = []
        self._is_reachable = True

    def add(self, counts: StageCounts, *, arm: Arm, user: int, agree: Agree) -> None:
        """Add one comparison of a user, given by the 64-bit hash."""
        if len(self._waiting) >= _MAX_WAITING:
            return
        mark = user_mark(user, agree)
        if not counts.is_first(mark):
            return
        one = _Compared(counts, arm, agree, mark)
        if self._shared is None:
            one.count()
        else:
            self._waiting.append(one)

    async def flush(self) -> None:
        """Count the waiting users that no other pod has counted, according to the shared store."""
        waiting, self._waiting = self._waiting, []
        for key, group in groupby(waiting, key=lambda one: one.counts.key):
            of_stage = {one.mark: one for one in group}
            try:
                first = await self._shared.first_compared(key, of_stage) if self._shared is not None else ()
            except StoreError as error:
                self._set_reachable(is_reachable=False, reason=str(error))
                return
            self._set_reachable(is_reachable=True)
            for mark in first:
                of_stage[mark].count()

    async def run(self) -> None:
        """Flush periodically until cancelled."""
        while self._shared is not None:
            await asyncio.sleep(_EVERY)
            if self._waiting:
                await self.flush()

    def _set_reachable(self, *, is_reachable: bool, reason: str = "") -> None:
        if self._is_reachable and not is_reachable:
            _log.warning("new users are not counted for agreement until the store is available again: %s", reason)
        if not self._is_reachable and is_reachable:
            _log.info("the store is available again, users are counted for agreement")
        self._is_reachable = is_reachable
