"""What the page of one SuggestionModel needs beside the watch: its trial records and pods, kept for some seconds.

However many pages are open, the API server is asked once. A right that is missing is a note on the page.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, Final, Protocol, TypeVar

from serin_cli.request_errors import ClusterError
from serin_dashboard.detail import Read
from serin_dashboard.store import Key

_KEPT_FOR: Final = 5.0
"""Seconds for which an answer is used again."""
_MOST_PODS: Final = 50
"""Pods that are asked for their revision."""
_AT_ONCE: Final = 8
_Value = TypeVar("_Value")


class Namespace(Protocol):
    """A namespace of a cluster; each method raises ClusterError."""

    def records(self, name: str) -> list[str]:
        """Return the texts of all trial records of a SuggestionModel."""

    def pods(self, name: str) -> list[dict[str, Any]]:
        """Return the pods of a SuggestionModel."""

    def pod_revision(self, pod: Mapping[str, Any]) -> int:
        """Return the routing revision that a pod reports."""


class Namespaces(Protocol):
    """A cluster by namespace."""

    def at(self, namespace: str) -> Namespace:
        """Return one namespace."""


class Reader:
    """Reads records and pods for the pages."""

    def __init__(self, cluster: Namespaces, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster, self._clock = cluster, clock
        self._lock, self._locks = Lock(), dict[Key, Lock]()
        self._kept: dict[Key, tuple[float, Read]] = {}

    def read(self, key: Key) -> Read:
        """Return records and pods of a SuggestionModel; what cannot be read is a problem of the page."""
        with self._lock:
            mine = self._locks.setdefault(key, Lock())
        with mine:
            at, found = self._kept.get(key, (0.0, None))
            if found is None or self._clock() - at >= _KEPT_FOR:
                found = _Reading(self._cluster.at(key[0]), key[1]).read()
                self._keep(key, found)
            return found

    def _keep(self, key: Key, found: Read) -> None:
        """Keep an answer, and forget those that are too old: a process may show many SuggestionModels in its life."""
        with self._lock:
            now = self._clock()
            self._kept = {one: kept for one, kept in self._kept.items() if now - kept[0] < _KEPT_FOR}
            self._kept[key] = (now, found)


class _Reading:
    def __init__(self, namespace: Namespace, name: str) -> None:
        self._namespace, self._name, self._problems = namespace, name, list[str]()

    def read(self) -> Read:
        records = self._or(self._namespace.records, "trial records", [])
        pods = self._or(self._namespace.pods, "pods", [])
        return Read(records, pods, self._revisions(pods), tuple(self._problems))

    def _or(
        self, request: Callable[[str], Sequence[_Value]], what: str, otherwise: Sequence[_Value]
    ) -> Sequence[_Value]:
        try:
            return request(self._name)
        except ClusterError as error:
            self._problems.append(f"The {what} cannot be read: {error}")
            return otherwise

    def _revisions(self, pods: Sequence[Mapping[str, Any]]) -> dict[str, int | str]:
        asked = pods[:_MOST_PODS]
        if not asked:
            return {}
        # One pod first: where the right is missing, the others are not asked.
        first = self._revision(asked[0])
        if isinstance(first, str) and " 403 " in first:
            return {pod["metadata"]["name"]: "reading it needs the right to get pods/proxy" for pod in asked}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            others = list(pool.map(self._revision, asked[1:]))
        return {pod["metadata"]["name"]: found for pod, found in zip(asked, [first, *others], strict=True)}

    def _revision(self, pod: Mapping[str, Any]) -> int | str:
        try:
            return self._namespace.pod_revision(pod)
        except ClusterError as error:
            return str(error)
