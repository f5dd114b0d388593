"""The leader's work: begun when this operator acquires the Lease, cancelled when it loses it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from serin_operator.leadership.elector import AlwaysLeading, Elector
from serin_operator.steady_clock import machine_clock

HANGS_AFTER: Final = 60.0
"""Seconds after which work that was cancelled hangs."""


class Terms:
    """Runs `lead` whenever this operator leads. `clock` returns monotonic seconds."""

    def __init__(
        self,
        elector: Elector | AlwaysLeading,
        lead: Callable[[], Coroutine[Any, Any, None]],
        clock: Callable[[], float] = machine_clock,
    ) -> None:
        self._elector, self._lead, self._clock = elector, lead, clock
        self._ending_since: float | None = None

    def hang(self) -> str:
        """Return that the work of a term does not end, "" if it does."""
        took = 0.0 if self._ending_since is None else self._clock() - self._ending_since
        return f"the work of a leader that lost the Lease {took:.0f} s ago does not end" if took > HANGS_AFTER else ""

    async def run(self) -> None:
        """Work until cancelled. Raises what `lead` raises."""
        while True:
            await self._elector.acquired.wait()
            term, lost = asyncio.create_task(self._lead()), asyncio.create_task(self._elector.lost.wait())
            try:
                await asyncio.wait({term, lost}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._ending_since = self._clock()
                for task in (term, lost):
                    task.cancel()
                await asyncio.wait({term, lost})
                self._ending_since = None
            if not term.cancelled():
                term.result()
