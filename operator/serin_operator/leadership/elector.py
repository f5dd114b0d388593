"""The shell of the election: reads and writes the Lease.

An operator that loses the Lease goes on as a standby, with its watches: an outage of the API server, in which every
operator loses it, restarts none (docs/decisions/0138-leader-election.md).
"""

import asyncio
import logging
import math
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol

from serin_core.api.base import Json
from serin_operator.interfaces import ClusterError, ConflictError, NotFoundError
from serin_operator.leadership.election import Election
from serin_operator.steady_clock import machine_clock

log = logging.getLogger(__name__)
SILENCE: Final = 180.0
"""Seconds without an answer about the Lease until the operator is not ready any more."""
LOG_INTERVAL: Final = 60.0
"""Seconds between two lines in the log about one error."""
RELEASE: Final = 2.0
"""Seconds for giving the Lease back at a shutdown."""


class Leases(Protocol):
    """The requests about Leases. Each raises ClusterError."""

    async def read_lease(self, namespace: str, name: str, *, is_exact: bool) -> Json:
        """Read a Lease, as it is now or, which costs less, a moment ago. Raises NotFoundError."""

    async def write_lease(self, lease: Json) -> Json:
        """Create a Lease, or replace the version of its resourceVersion, and return it. Raises ConflictError."""


def _utc() -> datetime:
    return datetime.now(UTC)


class Elector:
    """Takes part in an election until cancelled. `clock` returns monotonic seconds, `now` the time in UTC."""

    def __init__(
        self,
        leases: Leases,
        election: Election,
        *,
        clock: Callable[[], float] = machine_clock,
        now: Callable[[], datetime] = _utc,
    ) -> None:
        self._leases, self._election, self._clock, self._now = leases, election, clock, now
        self.acquired, self.lost = asyncio.Event(), asyncio.Event()
        self.lost.set()
        self._heard_at, self._logged_at, self._error = -math.inf, -math.inf, ""
        self._another_selector: tuple[str, str] | None = None

    @property
    def place(self) -> str:
        """Namespace and name of the Lease."""
        return f"{self._election.namespace}/{self._election.name}"

    def is_leader(self) -> bool:
        """Return whether this operator leads now."""
        return self._election.seconds_left(self._clock()) > 0

    def problem(self) -> str:
        """Return why this operator can neither lead nor stand by; "" if it can."""
        silence = self._clock() - self._heard_at
        if silence == math.inf:
            return f"the Lease {self.place} has not been read yet: {self._error or 'the API server has not responded'}"
        return f"the Lease {self.place} has no answer for {silence:.0f} s: {self._error}" if silence > SILENCE else ""

    async def run(self) -> None:
        """Acquire the Lease, or wait for it; renew it; again after a loss."""
        while True:
            pause = await self.look()
            await asyncio.sleep(pause)

    async def look(self) -> float:
        """Read or renew the Lease once, and return the seconds until the next time."""
        self._publish()
        try:
            async with asyncio.timeout(self._election.patience(self._clock())):
                await self._read_and_write()
        except (ClusterError, TimeoutError) as error:
            # Whether it was written is not known: read it before the next attempt.
            self._election.is_current = False
            self._record_error(str(error) or "the API server does not respond")
            self._publish()
            return min(self._election.timing.retry_period, self._election.seconds_left(self._clock()) or math.inf)
        self._heard_at, self._error, self._logged_at = self._clock(), "", -math.inf
        self._publish()
        return self._election.pause(self._clock(), random.random())  # noqa: S311 - jitter, no secret

    async def release(self) -> None:
        """Give the Lease back, if it is this operator's, so that another one acts at once. Raises nothing."""
        was_leader = self.is_leader()
        released = self._election.released(self._text())
        if not was_leader or released is None:
            return
        log.info("this operator ends, and gives back the Lease %s", self.place)
        try:
            async with asyncio.timeout(RELEASE):
                try:
                    await self._leases.write_lease(released)
                except ConflictError:
                    await self._read(is_exact=True)
                    if (released := self._election.released(self._text())) is not None:
                        await self._leases.write_lease(released)
        except (ClusterError, TimeoutError) as error:
            log.warning("the Lease %s is not given back, and expires: %s", self.place, error or "no answer")

    async def _read_and_write(self) -> None:
        if not self._election.is_current:
            # The memory of another API server may be older than this operator's own renewal.
            await self._read(is_exact=self.is_leader())
        try:
            await self._write()
        except (ConflictError, NotFoundError):
            # Somebody else has written or deleted it: what is there now decides, at once.
            await self._read(is_exact=True)
            await self._write()

    async def _read(self, *, is_exact: bool) -> None:
        try:
            place = (self._election.namespace, self._election.name)
            live = await self._leases.read_lease(*place, is_exact=is_exact)
        except NotFoundError:
            live = None
        self._election.observe(live, self._clock())
        # A term ends here, also if the write that follows begins another one: somebody else may have led in between.
        self._publish()
        self._warn_of_another_selector()

    async def _write(self) -> None:
        sent_at = self._clock()
        wanted = self._election.wanted(sent_at, self._text())
        if wanted is not None:
            self._election.renewed(await self._leases.write_lease(wanted), sent_at)

    def _publish(self) -> None:
        if self.is_leader() is self.acquired.is_set():
            return
        if self.is_leader():
            log.info("this operator leads now: it holds the Lease %s", self.place)
            self.lost.clear()
            self.acquired.set()
        else:
            holder, mine = self._election.holder, self._election.identity
            why = "was not renewed in time" if holder == mine else f"is held by {holder or 'nobody'}"
            log.warning("this operator does not lead any more: the Lease %s %s", self.place, why)
            self.acquired.clear()
            self.lost.set()

    def _warn_of_another_selector(self) -> None:
        """Warn once where operators with different selectors have one Lease: only one of them would ever work."""
        found = self._election.another_selector()
        if found is not None and found != self._another_selector:
            log.warning(
                "the Lease %s is held by an operator with another selector (%s; %s): the SuggestionModels of one of "
                "them are not worked on. Give each selector a Lease of its own (leaderElection.leaseName)",
                self.place,
                found[0] or "all",
                found[1] or "all",
            )
        self._another_selector = found

    def _record_error(self, error: str) -> None:
        if error != self._error or self._clock() - self._logged_at >= LOG_INTERVAL:
            log.warning("the Lease %s cannot be read or renewed: %s; retrying", self.place, error)
            self._error, self._logged_at = error, self._clock()

    def _text(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class AlwaysLeading:
    """In place of an Elector where there is only one operator."""

    def __init__(self) -> None:
        self.acquired, self.lost = asyncio.Event(), asyncio.Event()
        self.acquired.set()

    def is_leader(self) -> bool:
        """Return True."""
        return True

    def problem(self) -> str:
        """Return "": there is nothing to wait for."""
        return ""

    async def run(self) -> None:
        """Wait until cancelled."""
        await asyncio.Event().wait()

    async def release(self) -> None:
        """Do nothing."""
