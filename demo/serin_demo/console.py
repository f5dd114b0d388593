"""What the demo says while it works: one line a phase, with the time since it began."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Telling:
    """Lines with elapsed time, from any thread."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()

    @property
    def elapsed(self) -> float:
        """Answer the seconds since the demo began."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        """Print one line."""
        minutes, seconds = divmod(int(self.elapsed), 60)
        with self._lock:
            sys.stdout.write(f"{minutes}:{seconds:02d}  {text}\n")
            sys.stdout.flush()

    @contextmanager
    def phase(self, name: str) -> Iterator[list[str]]:
        """Print a phase with how long it took, and what the body puts into the list that it is given."""
        began, found = time.monotonic(), list[str]()
        yield found
        detail = f": {', '.join(found)}" if found else ""
        self.say(f"{name:<14} {time.monotonic() - began:5.1f} s{detail}")
