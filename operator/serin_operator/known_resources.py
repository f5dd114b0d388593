"""The SuggestionModels that the watch has seen, and the queue of the leader, if this operator leads.

A standby keeps their keys, so that it can work on all of them at once when it takes over.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from serin_core.kubernetes.label_selector import LabelSelector
from serin_operator.object_ref import Key
from serin_operator.work_queue import WorkQueue

HANGS_AFTER: Final = 120.0
"""Seconds after which a check hangs: twice its deadline, at which it was cancelled without effect."""


class KnownResources:
    """Passes keys on to the leader's queue. A standby has none, and nothing is queued.

    Resources that `selector` does not match belong to other operators, and are not known.
    """

    def __init__(self, selector: LabelSelector = LabelSelector()) -> None:  # noqa: B008 - immutable
        self.selector = selector
        self._keys: set[Key] = set()
        self._queue: WorkQueue[Key] | None = None

    def record(self, key: Key, labels: Mapping[str, str], *, is_deleted: bool) -> bool:
        """Record an event of a resource itself, and return whether it exists and is this operator's.

        One that comes, goes or changes hands is queued.
        """
        is_mine = not is_deleted and self.selector.matches(labels)
        if is_mine is not (key in self._keys):
            (self._keys.add if is_mine else self._keys.discard)(key)
            self._add(key)
        return is_mine

    def count(self) -> int:
        """Return the number of known resources."""
        return len(self._keys)

    def clear(self) -> None:
        """Forget all: a new watch lists them again."""
        self._keys.clear()

    def enqueue(self, key: Key) -> None:
        """Queue a known resource for the next pass, if this operator leads."""
        if key in self._keys:
            self._add(key)

    def _add(self, key: Key) -> None:
        if self._queue is not None:
            self._queue.add(key)

    def depth(self) -> int:
        """Return the number of resources that wait for a worker."""
        return 0 if self._queue is None else self._queue.depth()

    def hang(self) -> str:
        """Return which check hangs, "" if none does."""
        longest = None if self._queue is None else self._queue.longest()
        if longest is None or longest[1] <= HANGS_AFTER:
            return ""
        return f"a check of {longest[0]} has taken {longest[1]:.0f} s, and cannot be cancelled"

    @contextmanager
    def queued_in(self, queue: WorkQueue[Key]) -> Iterator[None]:
        """Queue every known resource at once, and others as events arrive."""
        self._queue = queue
        for key in sorted(self._keys):
            queue.add(key)
        try:
            yield
        finally:
            self._queue = None
