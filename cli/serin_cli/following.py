"""Waiting for changes of a SuggestionModel, which a watch reports in a thread of its own."""

import threading
import time
from collections.abc import Iterable

from serin_cli.request_errors import ClusterError


class Changes:
    """Changes since a SuggestionModel was read.

    After the end of the watch, every wait reports that there may be some.
    """

    def __init__(self, reported: Iterable[object]) -> None:
        self._changed, self._is_over = threading.Event(), False
        threading.Thread(target=self._follow, args=(reported,), daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait until there is a change that no wait has reported, at most for a time; return whether there is."""
        if self._is_over and not self._changed.is_set():
            time.sleep(seconds)
            return True
        is_changed = self._changed.wait(seconds)
        self._changed.clear()
        return is_changed

    def _follow(self, reported: Iterable[object]) -> None:
        try:
            for _ in reported:
                self._changed.set()
        except ClusterError:
            pass  # The next read reports it.
        finally:
            self._is_over = True
