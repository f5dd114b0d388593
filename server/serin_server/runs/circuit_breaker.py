"""A local breaker: keeps one process from asking a run that fails repeatedly, and lets it back by itself.

Repeatedly: OPENS_AFTER failures in a row, or MOST_FAILURES among the last WINDOW attempts. A run that fails less often
than that goes on being asked, and is the gates' business. Never looks at a clock: `now` is an argument, in seconds of
any monotonic clock.
"""

from dataclasses import dataclass, field
from typing import Final

OPENS_AFTER: Final = 5
"""Failures in a row."""
WINDOW: Final = 50
MOST_FAILURES: Final = 20
"""Failures among the last WINDOW attempts, in whatever order."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
_WINDOW_BITS: Final = (1 << WINDOW) - 1


@dataclass(slots=True)
class Breaker:
    """Closed: asks. Open: does not ask until the pause is over; then one attempt decides.

    Each failure of such an attempt doubles the pause, from FIRST_PAUSE to LONGEST_PAUSE seconds.
    """

    _in_a_row: int = field(default=0, init=False)
    _recent: int = field(default=0, init=False)
    """One bit an attempt since the last pause, the latest one lowest; 1 where it failed."""
    _pause: float = field(default=FIRST_PAUSE, init=False)
    _closed_from: float = field(default=float("-inf"), init=False)
    _is_probing: bool = field(default=False, init=False)
    """The next attempt is the first one after a pause."""

    def is_open(self, now: float) -> bool:
        """Answer whether the run must not be asked at this moment."""
        return now < self._closed_from

    def succeeded(self) -> None:
        """Take note of an answer; after a pause it forgives everything."""
        self._in_a_row = 0
        self._recent = 0 if self._is_probing else (self._recent << 1) & _WINDOW_BITS
        self._is_probing = False
        if not self._recent:
            self._pause = FIRST_PAUSE

    def failed(self, now: float) -> bool:
        """Take note of a failure, and answer whether it opened the breaker."""
        self._in_a_row += 1
        self._recent = (self._recent << 1 | 1) & _WINDOW_BITS
        is_repeated = self._in_a_row >= OPENS_AFTER or self._recent.bit_count() >= MOST_FAILURES
        if not is_repeated and not self._is_probing:
            return False
        self._closed_from = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._is_probing = True
        return True
