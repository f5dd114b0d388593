"""The one watch of the process: it keeps the store as the cluster is, whatever the number of open pages."""

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, Protocol, Self

from serin_cli.request_errors import ClusterError
from serin_core.backoff import backoff
from serin_dashboard.store import Store

_WATCH: Final = 60
"""Seconds of one watch: an API server that is cut off is noticed when the next one does not begin."""
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 15.0
"""Seconds between two attempts to reach the API server."""


_log = logging.getLogger(__name__)


class Source(Protocol):
    """The SuggestionModels of a namespace, or of a cluster; both methods raise ClusterError."""

    def models(self, *, all_namespaces: bool) -> dict[str, Any]:
        """Return the list."""

    def watch(self, version: str, *, all_namespaces: bool, seconds: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield ADDED, MODIFIED or DELETED, with the SuggestionModel, of the changes after a version."""


class Namespaces(Source, Protocol):
    """A cluster by namespace."""

    def at(self, namespace: str) -> Self:
        """Return the SuggestionModels of one namespace."""


class Followers:
    """One follower for each namespace of a store. `clock` returns the time in UTC."""

    def __init__(self, cluster: Namespaces, store: Store, *, clock: Callable[[], datetime]) -> None:
        followers = [
            Follower(cluster if one is None else cluster.at(one), store, namespace=one, clock=clock)
            for one in store.namespaces
        ]
        self._threads = [threading.Thread(target=one.run, daemon=True, name="watch") for one in followers]

    def start(self) -> None:
        """Follow in threads, which end with the process."""
        for thread in self._threads:
            thread.start()

    def problem(self) -> str:
        """Return why the store is not kept any more: a thread has ended, by a bug; "" if it is."""
        return "" if all(one.is_alive() for one in self._threads) else "a watch has ended; the log has the error"


class Follower:
    """Keeps a store as a namespace is, or the cluster with None. `clock` returns the time in UTC."""

    def __init__(self, source: Source, store: Store, *, namespace: str | None, clock: Callable[[], datetime]) -> None:
        self._source, self._store, self._namespace, self._clock = source, store, namespace, clock
        self._all, self._stopped = namespace is None, threading.Event()

    def stop(self) -> None:
        """End after the next change, or the present watch."""
        self._stopped.set()

    def run(self) -> None:
        """List and watch until stopped. A failed request is tried again; while no list works, that is shown."""
        failures = 0
        while not self._stopped.is_set():
            try:
                found = self._source.models(all_namespaces=self._all)
            except ClusterError as error:
                if not failures:
                    _log.warning("%s cannot be read: %s", self._namespace or "the cluster", error)
                self._store.lose(str(error), at=self._clock(), namespace=self._namespace)
                failures += 1
            else:
                self._store.replace(found.get("items") or [], at=self._clock(), namespace=self._namespace)
                # A list that works proves nothing where each watch after it is refused.
                failures = 1 if self._watch(found["metadata"]["resourceVersion"]) else failures + 1
            self._stopped.wait(backoff(_FIRST_WAIT, _LONGEST_WAIT, failures=failures))

    def _watch(self, version: str) -> bool:
        """Watch from a version until a watch fails: the API server is away, or does not have the version any more.

        Return whether any watch worked.
        """
        has_worked = False
        while not self._stopped.is_set():
            try:
                for kind, live in self._source.watch(version, all_namespaces=self._all, seconds=_WATCH):
                    has_worked = True
                    version = live["metadata"]["resourceVersion"]
                    self._take(kind, live)
                    if self._stopped.is_set():
                        break
            except ClusterError:
                break
            has_worked = True
        return has_worked

    def _take(self, kind: str, live: dict[str, Any]) -> None:
        if kind == "DELETED":
            self._store.remove(live)
        else:
            self._store.put(live, at=self._clock())
