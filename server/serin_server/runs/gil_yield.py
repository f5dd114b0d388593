"""Work in a thread beside an event loop that must not wait for it.

One interpreter lock serves both. A thread that runs Python keeps it for the switch interval, 5 ms by default, while the
loop asks for it: fifty times what an answer takes. So work here pauses after each little while, and the interval is
short as long as there is such work. Nothing is computed otherwise than without; it only takes longer.
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
"""Seconds after which whoever waits for the lock is given it, in what does not pause by itself."""


class GivingWay:
    """Pauses, in the thread that calls it, whenever that has worked for a little while."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def __call__(self) -> None:
        """Pause if it is time to."""
        if time.perf_counter() - self._since > _WORK:
            time.sleep(_PAUSE)
            self._since = time.perf_counter()


class _Shortened:
    """The interval, which is one for the process: short from the first block's beginning to the last one's end."""

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


_shortened: Final = _Shortened()


@contextmanager
def giving_way() -> Iterator[GivingWay]:
    """Answer what to call between two small pieces of work, and keep the interval short until the block ends."""
    _shortened.begin()
    try:
        yield GivingWay()
    finally:
        _shortened.end()
