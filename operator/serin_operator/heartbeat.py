"""Whether the API server can be used: asked every few seconds, reported at /readyz and in the log.

Nothing is watched before the first success. After an outage, and where the trusted certificate authorities have
changed, the connection and the watch are made again: what they remember may be out of date, and their own pauses long.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from serin_core.backoff import backoff
from serin_operator.interfaces import ClusterError

log = logging.getLogger(__name__)
INTERVAL: Final = 10.0
MAX_RETRY: Final = 5.0
OUTAGE: Final = 5.0
"""Seconds of failures that make an outage. Shorter ones are bridged by the retries of each request."""
SILENCE: Final = 180.0
"""Seconds without a success until the operator is not ready any more."""
LOG_INTERVAL: Final = 60.0
"""Seconds between two lines in the log about one outage."""


class Cluster(Protocol):
    """What the heartbeat asks of the connection to the API server."""

    async def check_version(self) -> None:
        """Check that the API server is new enough. Raises ClusterError."""

    async def check_access(self, namespaces: Sequence[str]) -> None:
        """List a SuggestionModel of each namespace, or of the cluster if none is given. Raises ClusterError."""

    async def check_served(self) -> None:
        """Check that SuggestionModels are served. Raises ClusterError."""

    async def reconnect(self) -> None:
        """Make a new connection. Raises ClusterError."""

    def has_new_authorities(self) -> bool:
        """Return whether a new connection would trust other certificate authorities."""


@dataclass
class Heartbeat:
    """Checks the API server, and remembers how that and the watch went. `clock` returns monotonic seconds."""

    cluster: Cluster
    namespaces: Sequence[str]
    clock: Callable[[], float]
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while the last check was a success."""
    renewed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set after the first success, an outage and a change of the certificate authorities; the watch clears it."""
    _failures: int = 0
    _failing_since: float = 0
    _succeeded_at: float = -math.inf
    _logged_at: float = -math.inf
    _error: str = "the API server has not responded yet"
    _watch_ended_at: float = -math.inf
    _watch_failing_since: float = 0
    _watch_error: str = ""
    _watch_errors: set[str] = field(default_factory=set)
    """All errors since the watch began to fail: each is logged once."""

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            delay = await self.beat()
            await asyncio.sleep(delay)

    async def beat(self) -> float:
        """Check once, and return the seconds until the next check."""
        is_first, is_outage = self._succeeded_at == -math.inf, self._is_outage()
        has_new_authorities = self.cluster.has_new_authorities()
        try:
            if is_outage or has_new_authorities:
                await self.cluster.reconnect()
            if is_first or is_outage:
                await self.cluster.check_version()
                await self.cluster.check_served()
            await self.cluster.check_access(self.namespaces)
        except ClusterError as error:
            return self._record_failure(str(error))
        self._record_success()
        if is_first or is_outage or has_new_authorities:
            self.renewed.set()
        return INTERVAL

    def record_watch_end(self, error: str) -> None:
        """Record that the watch has failed."""
        now = self.clock()
        if now - self._watch_ended_at > LOG_INTERVAL:
            self._watch_failing_since = now
            self._watch_errors.clear()
        if error not in self._watch_errors:
            log.warning("the watch has ended and is started again: %s", error)
        self._watch_ended_at, self._watch_error = now, error
        self._watch_errors.add(error)

    def problem(self) -> str:
        """Return why the operator is not ready, "" if it is."""
        now = self.clock()
        silence = now - self._succeeded_at
        if silence == math.inf:
            return f"SuggestionModels have not been listed yet: {self._error}"
        if silence > SILENCE:
            return f"SuggestionModels could not be listed for {silence:.0f} s: {self._error}"
        if now - self._watch_ended_at < LOG_INTERVAL and now - self._watch_failing_since > SILENCE:
            return f"the watch ends again and again: {self._watch_error}"
        return ""

    def _is_outage(self) -> bool:
        return self._failures > 0 and self.clock() - self._failing_since >= OUTAGE

    def _record_failure(self, error: str) -> float:
        now = self.clock()
        self.connected.clear()
        self._failures += 1
        if self._failures == 1:
            self._failing_since = now
        if error != self._error or now - self._logged_at >= LOG_INTERVAL:
            self._error, self._logged_at = error, now
            log.warning("SuggestionModels cannot be listed: %s; retrying", error)
        return backoff(1.0, MAX_RETRY, failures=self._failures)

    def _record_success(self) -> None:
        now = self.clock()
        if self._failures:
            log.warning("SuggestionModels can be listed again, after %.0f s", now - self._failing_since)
        self._failures, self._succeeded_at, self._error, self._logged_at = 0, now, "", -math.inf
        self.connected.set()
