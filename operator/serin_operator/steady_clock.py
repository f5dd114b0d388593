"""The operator's time: that of the API server, on a clock of its own that does not jump.

Soaks, bakes, windows and timeouts are differences between times that one operator, or two after each other, have
written. The wall clock of a node may be an hour off, and be corrected at any moment; time that nobody has watched must
not count for a soak then. So the time is taken from the API server once, when the operator starts, and goes on by the
clock of the machine that counts seconds since its start. What is wrong with it is corrected slowly.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

log = logging.getLogger(__name__)
MAX_CORRECTION: Final = 0.1
"""Seconds by which the time is corrected in one second: a soak is at most this much shorter or longer."""
TOLERANCE: Final = timedelta(seconds=2)
"""Difference that is not corrected: the API server names whole seconds, and its answer was under way."""
REPORTED: Final = timedelta(minutes=1)
"""Difference that is logged."""


def _wall() -> datetime:
    return datetime.now(UTC)


def machine_clock() -> float:
    """Return seconds of a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """A clock that never goes back and never jumps. `wall` is read once, `ticks` counts seconds."""

    def __init__(self, wall: Callable[[], datetime] = _wall, ticks: Callable[[], float] = machine_clock) -> None:
        self._ticks = ticks
        self._time, self._at, self._correction = wall(), ticks(), timedelta()
        self._has_reference = self._is_reported = False
        self._date = ""

    def now(self) -> datetime:
        """Return the time in UTC."""
        elapsed = timedelta(seconds=self._ticks() - self._at)
        limit = elapsed * MAX_CORRECTION
        return self._time + elapsed + max(-limit, min(limit, self._correction))

    def follow_date(self, header: str) -> None:
        """Take in the header Date of a response of the API server; one that is none is ignored."""
        if header and header != self._date:
            self._date = header
            with suppress(ValueError):
                # It names the second that has begun.
                self.follow(parsedate_to_datetime(header).astimezone(UTC) + timedelta(seconds=0.5))

    def follow(self, reference: datetime) -> None:
        """Take in the time of the API server: the first one as it is, later ones by a slow correction."""
        now, ticks = self.now(), self._ticks()
        difference = reference - now
        if not self._has_reference:
            self._has_reference = True
            now = reference if abs(difference) > TOLERANCE else now
            self._report(difference, "the time of the API server is used")
            difference = timedelta()
        else:
            self._report(difference, f"followed by at most {MAX_CORRECTION:.0%} of the time that passes")
        self._correction = difference if abs(difference) > TOLERANCE else timedelta()
        self._time, self._at = now, ticks

    def _report(self, difference: timedelta, what: str) -> None:
        is_large = abs(difference) > REPORTED
        if is_large and not self._is_reported:
            where = "ahead of" if difference > timedelta() else "behind"
            seconds = abs(difference).total_seconds()
            log.warning("the API server's clock is %.0f s %s this operator's: %s", seconds, where, what)
        self._is_reported = is_large
