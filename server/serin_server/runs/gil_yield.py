"""Work in a thread that does not delay the event loop.

The interpreter lock (GIL) is shared: a thread that runs Python keeps it for the switch interval, 5 ms by default, while
the event loop waits for it, fifty times as long as a suggestion takes. So the work here pauses at short intervals, and
the switch interval is short meanwhile. The results are the same; the work only takes longer.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_WORK: Final = 0.0002
"""Seconds of work between two pauses."""
_PAUSE: Final = 0.0004
"""Seconds; time.sleep(0) would take the lock again before the loop's thread has woken up."""
_INTERVAL: Final = 0.0001
"""Switch interval in seconds, for work that does not pause by itself."""


class GilYielder:
    """Pauses the calling thread if it has worked for _WORK seconds."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def __call__(self) -> None:
        """Pause if it is time to."""
        if time.perf_counter() - self._since > _WORK:
            time.sleep(_PAUSE)
            self._since = time.perf_counter()


class _SwitchInterval:
    """The switch interval of the process: short from the start of the first block to the end of the last one."""

    def __init__(self) -> None:
        self._lock, self._blocks, self._before = threading.Lock(), 0, 0.0

    def begin(self) -> None:
        with self._lock:
            if self._blocks == 0:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(_INTERVAL)
            self._blocks += 1

    def end(self) -> None:
        with self._lock:
            self._blocks -= 1
            if self._blocks == 0:
                sys.setswitchinterval(self._before)


_switch_interval: Final = _SwitchInterval()


@contextmanager
def yielding_gil() -> Iterator[GilYielder]:
    """Yield a function to call between small pieces of work; the switch interval is short until the block ends."""
    _switch_interval.begin()
    try:
        yield GilYielder()
    finally:
        _switch_interval.end()
