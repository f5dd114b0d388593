"""A limit on how often something may be asked of one process: a number at once, and a rate after that."""

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Final

FEEDBACK_PER_SECOND: Final = 1000
"""A third of the suggestions that a process can make; each of them has one feedback at most."""
FEEDBACK_AT_ONCE: Final = 2000
RELOAD_EVERY: Final = timedelta(seconds=1)
"""Time between two reloads: each one reads and checks all runs of the pod."""
RELOADS_AT_ONCE: Final = 3


class RateLimitError(Exception):
    """A request above the limit. The message is one line."""

    def __init__(self, what: str, wait: float) -> None:
        self.retry_seconds = max(1, math.ceil(wait))
        """After how many whole seconds it may be sent again."""
        super().__init__(f"too many {what}; send it again after {self.retry_seconds} s")


class RateLimit:
    """A token bucket (ITU-T I.371): `burst` requests at once, then one every `interval`."""

    def __init__(self, what: str, *, interval: timedelta, burst: float, monotonic: Callable[[], float]) -> None:
        """`what` names the requests in an error."""
        self._what, self._interval, self._burst = what, interval.total_seconds(), burst
        self._monotonic, self._left, self._at = monotonic, burst, monotonic()

    def take(self) -> None:
        """Count one request. Raises RateLimitError above the limit; such a request does not count."""
        now = self._monotonic()
        self._left = min(self._burst, self._left + max(now - self._at, 0.0) / self._interval)
        self._at = now
        if self._left < 1:
            raise RateLimitError(self._what, (1 - self._left) * self._interval)
        self._left -= 1
