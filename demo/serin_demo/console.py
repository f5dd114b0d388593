"""The demo's output: one line per phase, with the time since the demo began."""

import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

WIDTH = 110


class Console:
    """Lines with elapsed time, from any thread."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def line(self, text: str, *, indent: int = 0) -> None:
        """Print text after the elapsed time, wrapped to the width of the output."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        prefix = f"{minutes}:{seconds:02d}  {' ' * indent}"
        lines = textwrap.wrap(
            text, WIDTH, initial_indent=prefix, subsequent_indent=" " * (len(prefix) + 2), break_on_hyphens=False
        )
        with self._lock:
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()

    def verbatim(self, text: str) -> None:
        """Print a command that a user may copy: neither wrapped nor prefixed with the time."""
        with self._lock:
            sys.stdout.write(f"        {text}\n")
            sys.stdout.flush()

    @contextmanager
    def phase(self, name: str) -> Iterator[list[str]]:
        """Print a phase once it is done, with its duration and the details that the body has appended."""
        began, details = time.monotonic(), list[str]()
        yield details
        self.line(f"{name:<14} {time.monotonic() - began:5.1f} s  {', '.join(details)}".rstrip())
