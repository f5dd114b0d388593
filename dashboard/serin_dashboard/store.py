"""The SuggestionModels that the pages show, as the one watch of the process has last seen them. Safe for threads."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from serin_cli.kubernetes_client import whole
from serin_cli.request_errors import ClusterError
from serin_cli.resource import Live
from serin_dashboard.points import SeenCurves

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One SuggestionModel with its whole status."""

    live: Live
    problem: str = ""
    """Why its status cannot be shown in full, "" if it can."""
    seen: SeenCurves = field(default_factory=SeenCurves)
    version: int = 0


@dataclass(frozen=True, slots=True)
class Connection:
    """Whether the API server responds to a watch."""

    problem: str = ""
    """Why it does not, "" if it does."""
    since: datetime | None = None
    """Time of the first failure, or of the last list; None before the first response."""


class Store:
    """What the watch has seen. Each change has a number, so that a page knows whether it is up to date."""

    def __init__(self, namespaces: Iterable[str | None] = (None,)) -> None:
        self._lock, self._version = Lock(), 0
        self._entries: dict[Key, Entry] = {}
        self._connections = {namespace: Connection() for namespace in namespaces}
        self._unread, self._connection_version = set(self._connections), 0
        self.is_closed = False

    @property
    def namespaces(self) -> list[str | None]:
        """The namespaces that are watched one by one; None stands for all of them."""
        return list(self._connections)

    def replace(self, items: Iterable[Live], *, at: datetime, namespace: str | None = None) -> None:
        """Take over a list of all SuggestionModels of a namespace; None for all namespaces."""
        with self._lock:
            found = {key_of(item): item for item in items}
            for key in self._entries.keys() - found.keys():
                if namespace in (None, key[0]):
                    self._drop(key)
            for key, item in found.items():
                known = self._entries.get(key)
                if known is None or _revision(known.live) != _revision(item):
                    self._put(key, item, at)
            self._connect(namespace, Connection(since=at))
            self._unread.discard(namespace)

    def put(self, live: Live, *, at: datetime) -> None:
        """Take over one SuggestionModel."""
        with self._lock:
            self._put(key_of(live), live, at)

    def remove(self, live: Live) -> None:
        """Remove one SuggestionModel."""
        with self._lock:
            self._drop(key_of(live))

    def lose(self, problem: str, *, at: datetime, namespace: str | None = None) -> None:
        """Note that the API server does not respond; the time of the first failure stays."""
        with self._lock:
            known = self._connections[namespace]
            self._connect(namespace, Connection(problem, known.since if known.problem else at))

    def close(self) -> None:
        """End what follows the changes: the dashboard ends."""
        self.is_closed = True

    @property
    def connection(self) -> Connection:
        """Whether the API server responds: of several watches the first that fails, or that has not begun."""
        with self._lock:
            found = list(self._connections.values())
        failing = (one for one in found if one.problem)
        waiting = (one for one in found if one.since is None)
        return next(failing, None) or next(waiting, None) or found[0]

    def has_read(self, namespace: str) -> bool:
        """Return whether the SuggestionModels of a namespace have been listed at least once."""
        with self._lock:
            return self._unread.isdisjoint((namespace, None))

    def unread(self) -> str:
        """Return what has not been listed yet, and why; "" if pages have something to show."""
        with self._lock:
            missing = [one for one in self._connections if one in self._unread]
            found = [f"{one or 'the cluster'}: {self._connections[one].problem or 'not read yet'}" for one in missing]
        return "; ".join(found)

    def entries(self) -> list[Entry]:
        """Return all SuggestionModels."""
        with self._lock:
            return list(self._entries.values())

    def get(self, key: Key) -> Entry | None:
        """Return one SuggestionModel, None if there is none of this name."""
        with self._lock:
            return self._entries.get(key)

    def version(self, key: Key | None = None) -> int:
        """Return the number of the last change: of anything, or of one SuggestionModel and the connection."""
        with self._lock:
            if key is None:
                return self._version
            entry = self._entries.get(key)
            return self._version if entry is None else max(entry.version, self._connection_version)

    def _put(self, key: Key, item: Live, at: datetime) -> None:
        live, problem = _expanded(item)
        known = self._entries.get(key)
        is_same = known is not None and known.live["metadata"].get("uid") == live["metadata"].get("uid")
        seen = known.seen if known is not None and is_same else SeenCurves()
        if not problem:
            try:
                seen = seen.extended(live, at=at)
            except ValueError:
                # A gate in a form that this version does not know has no curve; the page shows what it can.
                problem = "its gates cannot be read; another version of Serin may have written them"
        self._version += 1
        self._entries[key] = Entry(live, problem, seen, self._version)

    def _drop(self, key: Key) -> None:
        if self._entries.pop(key, None) is not None:
            self._version += 1

    def _connect(self, namespace: str | None, connection: Connection) -> None:
        known = self._connections[namespace]
        if connection.problem != known.problem or known.since is None:
            self._version += 1
            self._connection_version = self._version
        self._connections[namespace] = connection


def key_of(live: Live) -> Key:
    """Return namespace and name."""
    return live["metadata"]["namespace"], live["metadata"]["name"]


def _revision(live: Live) -> tuple[object, object]:
    return live["metadata"].get("uid"), live["metadata"].get("resourceVersion")


def _expanded(item: Live) -> tuple[Live, str]:
    """Return a SuggestionModel with its whole status, and why that could not be read."""
    if not item.get("status"):
        return item, ""
    try:
        return {**item, "status": whole(item["status"])}, ""
    except ClusterError as error:
        shown = {key: item["status"][key] for key in ("phase", "conditions") if key in item["status"]}
        return {**item, "status": shown}, str(error)
