"""Objects of one kind in memory, as a list, its watch and the operator's own requests have them.

A store may be behind the API server, but never goes back: of two versions of an object the newer one is kept, and one
that the watch has seen go does not come back with a late response. While no list is complete, or where the state of an
object is doubtful, the store cannot tell whether an object exists.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from serin_core.api.base import Json
from serin_core.contract import names
from serin_core.shared_text import shared

Place = tuple[str, str]
"""Namespace and name."""


_SHORT: Final = 100
"""Characters of the longest text that is shared."""


class UnknownError(LookupError):
    """The store cannot tell: ask the API server."""


def place_of(live: Json) -> Place:
    """Return where an object is."""
    return live["metadata"].get("namespace", ""), live["metadata"]["name"]


def without_managed_fields(live: Json) -> Json:
    """Return an object without the record of who manages its fields: a third of a pod."""
    return live | {"metadata": {key: value for key, value in live["metadata"].items() if key != "managedFields"}}


def with_writers_only(live: Json) -> Json:
    """Return a SuggestionModel with a record of who has written fields of its spec: the rest is half of its memory."""
    fields = live["metadata"].get("managedFields")
    if fields is None:
        return live
    kept = [
        {key: one[key] for key in ("manager", "time") if key in one} | {"fieldsV1": {"f:spec": written}}
        for one in fields
        if (written := (one.get("fieldsV1") or {}).get("f:spec"))
    ]
    return live | {"metadata": live["metadata"] | {"managedFields": kept}}


def version_only(live: Json) -> Json:
    """Return what tells one version of an object from another."""
    kept = ("namespace", "name", "uid", "resourceVersion")
    return {"kind": live["kind"], "metadata": {key: live["metadata"][key] for key in kept if key in live["metadata"]}}


def sharing_texts(found: Any) -> Any:
    """Return equal JSON whose short texts are shared with all other objects: a third of a child's memory less.

    Each response is parsed into texts of its own, although all objects have the same field names and most labels.
    """
    match found:
        case dict():
            return {shared(key): sharing_texts(value) for key, value in found.items()}
        case list():
            return [sharing_texts(value) for value in found]
        case str() if len(found) <= _SHORT:
            return shared(found)
        case _:
            return found


@dataclass
class ObjectStore:
    """Objects of one kind. `trim` returns what is kept of one. Objects that are returned must not be changed."""

    trim: Callable[[Json], Json] = lambda live: live
    _objects: dict[Place, Json] = field(default_factory=dict)
    _of_uid: defaultdict[str, set[Place]] = field(default_factory=lambda: defaultdict(set))
    """By the label with the uid of the SuggestionModel."""
    _listed: set[str] = field(default_factory=set)
    """Namespaces whose list is complete; "" is all of them."""
    _doubtful: set[Place] = field(default_factory=set)
    _reached: dict[str, int] = field(default_factory=dict)
    """Version up to which the list and the watch of a namespace have come, "" for those of all namespaces."""

    def begin_list(self, namespace: str, version: str) -> dict[Place, Json]:
        """Forget a namespace, "" for all, whose list is of this version, and return what was known of it."""
        self._listed.discard(namespace)
        found = {place: live for place, live in self._objects.items() if namespace in ("", place[0])}
        for place in found:
            self._drop(place)
        self._reached[namespace] = _as_number(version) or 0
        self._doubtful = {place for place in self._doubtful if namespace not in ("", place[0])}
        return found

    def end_list(self, namespace: str) -> None:
        """Record that everything of a namespace is known."""
        self._listed.add(namespace)

    def forget_list(self, namespace: str) -> None:
        """Record that changes in a namespace are not noticed any more."""
        self._listed.discard(namespace)

    def put(self, live: Json) -> None:
        """Keep an object of a list or a watch, unless a newer version is known."""
        place = place_of(live)
        self._record_version(place, live)
        if not is_newer(self._objects.get(place), live):
            self._keep(place, live)

    def put_own(self, live: Json) -> None:
        """Keep an object that a request has returned. If versions cannot be compared, it is doubtful until an event.

        A response may arrive after the event of a later deletion, and no other event would ever remove the object.
        """
        place = place_of(live)
        number = _number(live)
        if number is None:
            self._doubtful.add(place)
        elif place not in self._objects and number <= self._reached.get(self._watched_with(place), 0):
            self._doubtful.discard(place)
        elif not is_newer(self._objects.get(place), live):
            self._keep(place, live)

    def remove(self, live: Json) -> None:
        """Forget an object that a watch reports as deleted, unless a newer one of its name is known."""
        place = place_of(live)
        self._record_version(place, live)
        if not is_newer(self._objects.get(place), live):
            self._drop(place)
            self._doubtful.discard(place)

    def put_absence(self, namespace: str, name: str) -> None:
        """Record that a request has found no such object among those that are watched."""
        place = (namespace, name)
        if place in self._objects:
            # Its deletion is still to come, or it has been created since the request.
            self._doubtful.add(place)
        else:
            self._doubtful.discard(place)

    def doubt(self, namespace: str, name: str) -> None:
        """Record that an object may have changed in a way that is not known here."""
        self._doubtful.add((namespace, name))

    def has(self, namespace: str, name: str) -> bool:
        """Return whether there is an object of this name, as far as is known; never raises."""
        return (namespace, name) in self._objects

    def get(self, namespace: str, name: str) -> Json | None:
        """Return an object, None if it does not exist. Raises UnknownError."""
        place = (namespace, name)
        if not self._is_listed(namespace) or place in self._doubtful:
            raise UnknownError(name)
        return self._objects.get(place)

    def find(self, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        """Return the objects of a namespace with these labels, that of the uid among them. Raises UnknownError."""
        if not self._is_listed(namespace) or any(place[0] == namespace for place in self._doubtful):
            raise UnknownError(namespace)
        found = (self._objects[one] for one in sorted(self._of_uid.get(labels[names.LABEL_UID], ())))
        return [
            live
            for live in found
            if live["metadata"].get("namespace", "") == namespace and labels.items() <= _labels(live).items()
        ]

    def _is_listed(self, namespace: str) -> bool:
        return "" in self._listed or namespace in self._listed

    def _watched_with(self, place: Place) -> str:
        return "" if "" in self._reached else place[0]

    def _record_version(self, place: Place, live: Json) -> None:
        namespace = self._watched_with(place)
        self._reached[namespace] = max(self._reached.get(namespace, 0), _number(live) or 0)

    def _keep(self, place: Place, live: Json) -> None:
        self._drop(place)
        self._doubtful.discard(place)
        kept: Json = sharing_texts(self.trim(live))
        self._objects[place] = kept
        if uid := _labels(kept).get(names.LABEL_UID):
            self._of_uid[uid].add(place)

    def _drop(self, place: Place) -> None:
        before = self._objects.pop(place, None)
        uid = None if before is None else _labels(before).get(names.LABEL_UID)
        if uid is not None:
            self._of_uid[uid].discard(place)
            if not self._of_uid[uid]:
                del self._of_uid[uid]


def _labels(live: Json) -> dict[str, str]:
    return live["metadata"].get("labels") or {}


def _number(live: Json) -> int | None:
    return _as_number(str(live["metadata"].get("resourceVersion", "")))


def _as_number(version: str) -> int | None:
    return int(version) if version.isdecimal() else None


def is_newer(known: Json | None, live: Json) -> bool:
    """Return whether what is known is newer, by resource versions, which etcd and Kubernetes 1.35 order as integers."""
    if known is None:
        return False
    one, other = _number(known), _number(live)
    return one is not None and other is not None and one > other
