"""The two clocks of a server process, passed to everything that needs the time."""

import time
from typing import Protocol


class Clock(Protocol):
    """A source of time."""

    def now(self) -> float:
        """Return Unix time in seconds."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never jumps, for durations."""


class SystemClock:
    """The clocks of the machine."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.perf_counter)
