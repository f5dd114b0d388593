"""The two clocks of a server process, behind one seam: whoever needs the time is given one of these.

Never sleeps.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Answer Unix time in seconds."""

    def monotonic(self) -> float:
        """Answer seconds since some moment, for durations only."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        """Answer Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Answer seconds of the performance counter."""
        return time.perf_counter()
