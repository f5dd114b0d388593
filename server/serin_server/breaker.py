"""A local breaker: keeps one process from asking a run that fails again and again, and lets it back by itself.

Counts only failures in a row; a run that fails now and then goes on being asked, and is the gates' business.
Never looks at a clock: `now` is an argument, in seconds of any monotonic clock.
"""

from dataclasses import dataclass, field
from typing import Final

OPENS_AFTER: Final = 5
"""Failures in a row."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0


@dataclass(slots=True)
class Breaker:
    """Closed: asks. Open: does not ask until the pause is over; then one attempt decides.

    Each failure of such an attempt doubles the pause, from FIRST_PAUSE to LONGEST_PAUSE seconds.
    """

    _failures: int = field(default=0, init=False)
    _pause: float = field(default=FIRST_PAUSE, init=False)
    _closed_from: float = field(default=float("-inf"), init=False)

    def is_open(self, now: float) -> bool:
        """Answer whether the run must not be asked at this moment."""
        return now < self._closed_from

    def succeeded(self) -> None:
        """Take note of an answer: all is forgiven."""
        self._failures = 0
        self._pause = FIRST_PAUSE

    def failed(self, now: float) -> bool:
        """Take note of a failure, and answer whether it opened the breaker."""
        self._failures += 1
        if self._failures < OPENS_AFTER:
            return False
        self._closed_from = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return True
