"""Circuit breaker: stops one process from using a run that fails repeatedly, and tries it again after a pause.

Repeatedly means OPENS_AFTER failures in a row, or MAX_FAILURES among the last WINDOW predictions. A run that fails less
often stays in use; the gates judge it. `now` is always an argument, in seconds of a monotonic clock.
"""

from dataclasses import dataclass, field
from typing import Final

OPENS_AFTER: Final = 5
"""Failures in a row."""
WINDOW: Final = 50
MAX_FAILURES: Final = 20
"""Failures among the last WINDOW predictions, in any order."""
FIRST_PAUSE: Final = 1.0
MAX_PAUSE: Final = 30.0
_WINDOW_BITS: Final = (1 << WINDOW) - 1


@dataclass(slots=True)
class Breaker:
    """Closed: the run is used. Open: it is not used until the pause is over; then one prediction decides.

    Each failure after a pause doubles the next one, from FIRST_PAUSE to MAX_PAUSE seconds.
    """

    _in_a_row: int = field(default=0, init=False)
    _recent: int = field(default=0, init=False)
    """One bit for each prediction since the last pause, the latest one lowest; 1 if it failed."""
    _pause: float = field(default=FIRST_PAUSE, init=False)
    _closes_at: float = field(default=float("-inf"), init=False)
    _is_probing: bool = field(default=False, init=False)
    """Whether the next prediction is the first one after a pause."""

    def is_open(self, now: float) -> bool:
        """Return whether the run must not be used now."""
        return now < self._closes_at

    def succeeded(self) -> None:
        """Record a success; after a pause it resets all failures."""
        self._in_a_row = 0
        self._recent = 0 if self._is_probing else (self._recent << 1) & _WINDOW_BITS
        self._is_probing = False
        if not self._recent:
            self._pause = FIRST_PAUSE

    def failed(self, now: float) -> bool:
        """Record a failure, and return whether it opened the breaker."""
        self._in_a_row += 1
        self._recent = (self._recent << 1 | 1) & _WINDOW_BITS
        is_repeated = self._in_a_row >= OPENS_AFTER or self._recent.bit_count() >= MAX_FAILURES
        if not is_repeated and not self._is_probing:
            return False
        self._closes_at = now + self._pause
        self._pause = min(2 * self._pause, MAX_PAUSE)
        self._is_probing = True
        return True
