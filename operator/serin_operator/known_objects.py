"""What the operator knows of objects without asking: from watches, from its own requests, and from recent reads."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final

from serin_core.api.base import Json
from serin_core.contract import names
from serin_core.rollout.scale import AUTOSCALER
from serin_operator.interfaces import ClusterError, NotFoundError, RefusedError
from serin_operator.object_store import (
    Place,
    UnknownError,
    is_newer,
    place_of,
    sharing_texts,
    with_writers_only,
)
from serin_operator.watched_objects import CHILDREN, WatchedObjects

Request = tuple[str, str, str]
"""Kind, namespace and name; for whether a kind is served: "", its group with version, and its plural."""

MAX_AGES: Final[Mapping[str, float]] = {names.KIND: 300.0, AUTOSCALER: 60.0, "PodMonitor": 60.0, "": 60.0}
"""Seconds for which a result is used.

kopf watches SuggestionModels, but does not notice one that is deleted between two of its lists. The others are not
watched: the status of an autoscaler changes all the time, and few clusters have PodMonitors.
"""
SWEEP: Final = 60.0
"""Seconds between two times at which results that are out of date are dropped."""
MAX_TEXT: Final = 32 << 20
"""Characters of users' ConfigMaps that are kept; beyond it, one is read again when it is needed."""


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class _Recent:
    at: float
    found: Json | ClusterError


@dataclass
class KnownObjects:
    """Objects by kind, namespace and name. `clock` returns monotonic seconds. What is returned must not be changed."""

    watched: WatchedObjects
    clock: Callable[[], float] = _now
    _recent: dict[Request, _Recent] = field(default_factory=dict)
    _swept_at: float = -inf
    _texts: OrderedDict[Place, Json] = field(default_factory=OrderedDict)
    """ConfigMaps of users, in full, the last used at the end."""

    def get(self, kind: str, namespace: str, name: str) -> Json:
        """Return an object. Raises NotFoundError, RefusedError, and UnknownError where only the API server can tell."""
        if kind in MAX_AGES:
            return self._get_recent((kind, namespace, name))
        if kind not in CHILDREN:
            raise UnknownError(kind)
        found = self.watched.children[kind].get(namespace, name)
        if found is None and kind == "ConfigMap":
            found = self._get_text(namespace, name)
        if found is None:
            raise NotFoundError(f"{kind} {namespace}/{name} does not exist")
        return found

    def find(self, kind: str, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        """Return all objects with these labels. Raises UnknownError where only the API server can tell."""
        if kind not in CHILDREN or names.LABEL_UID not in labels:
            raise UnknownError(kind)
        return self.watched.children[kind].find(namespace, labels)

    def put(self, live: Json) -> None:
        """Keep an object that a request has returned."""
        kind, place = live["kind"], place_of(live)
        is_labelled = names.LABEL_UID in (live["metadata"].get("labels") or {})
        if kind == names.KIND:
            self.put_resource(live)
        elif kind in MAX_AGES:
            self._keep_recent((kind, *place), live)
        elif kind in CHILDREN and is_labelled:
            self.watched.children[kind].put_own(live)
        elif kind in CHILDREN:
            self.watched.children[kind].put_absence(*place)
            if kind == "ConfigMap":
                self._keep_text(place, live)

    def put_resource(self, live: Json) -> None:
        """Keep a SuggestionModel of a request or of a watch, unless a newer version is known."""
        request = (names.KIND, *place_of(live))
        known = self._recent.get(request)
        if known is None or isinstance(known.found, ClusterError) or not is_newer(known.found, live):
            self._keep_recent(request, sharing_texts(with_writers_only(live)))

    def forget_resources(self) -> None:
        """Forget all SuggestionModels: nothing has watched them for a while."""
        self._recent = {request: one for request, one in self._recent.items() if request[0] != names.KIND}

    def put_failure(self, request: Request, error: NotFoundError | RefusedError) -> None:
        """Keep that a request found no object, or was refused."""
        kind, *place = request
        if kind == names.KIND:
            self._recent.pop(request, None)
        elif kind in MAX_AGES:
            # A new error: one that was raised holds everything that its traceback leads to.
            kind_of_error = NotFoundError if isinstance(error, NotFoundError) else RefusedError
            self._keep_recent(request, kind_of_error(str(error)))
        elif kind in CHILDREN and isinstance(error, NotFoundError):
            self.watched.children[kind].put_absence(*place)

    def serves(self, api_version: str, plural: str) -> bool:
        """Return whether a kind is served. Raises UnknownError."""
        return bool(self._get_recent(("", api_version, plural))["serves"])

    def put_served(self, api_version: str, plural: str, *, is_served: bool) -> None:
        """Keep whether a kind is served."""
        self._keep_recent(("", api_version, plural), {"serves": is_served})

    def doubt(self, kind: str, namespace: str, name: str) -> None:
        """Record that an object may have changed: the next read of it goes to the API server."""
        self._recent.pop((kind, namespace, name), None)
        # A pod that is not known is gone: the operator creates none, and no event would ever end the doubt.
        if kind in CHILDREN and (kind != "Pod" or self.watched.children[kind].has(namespace, name)):
            self.watched.children[kind].doubt(namespace, name)

    def _keep_recent(self, request: Request, found: Json | ClusterError) -> None:
        """Keep a result, and drop those that are out of date: nobody asks again for what a deleted resource had."""
        now = self.clock()
        self._recent[request] = _Recent(now, found)
        if now - self._swept_at > SWEEP:
            self._swept_at = now
            self._recent = {
                request: one for request, one in self._recent.items() if now - one.at <= MAX_AGES[request[0]]
            }

    def _get_recent(self, request: Request) -> Json:
        recent = self._recent.get(request)
        if recent is None or self.clock() - recent.at > MAX_AGES[request[0]]:
            self._recent.pop(request, None)
            raise UnknownError(request)
        if isinstance(recent.found, ClusterError):
            kind = NotFoundError if isinstance(recent.found, NotFoundError) else RefusedError
            raise kind(str(recent.found))
        return recent.found

    def _get_text(self, namespace: str, name: str) -> Json | None:
        """Return a user's ConfigMap as long as its version is the one that was read."""
        version = self.watched.other_config_maps.get(namespace, name)
        if version is None:
            self._texts.pop((namespace, name), None)
            return None
        found = self._texts.get((namespace, name))
        if found is None or _identity(found) != _identity(version):
            raise UnknownError(name)
        self._texts.move_to_end((namespace, name))
        return found

    def _keep_text(self, place: Place, live: Json) -> None:
        self._texts[place] = live
        self._texts.move_to_end(place)
        while len(self._texts) > 1 and sum(map(_characters, self._texts.values())) > MAX_TEXT:
            self._texts.popitem(last=False)


def _identity(live: Json) -> tuple[str, str]:
    return live["metadata"]["uid"], live["metadata"]["resourceVersion"]


def _characters(live: Json) -> int:
    return sum(map(len, (*(live.get("data") or {}).values(), *(live.get("binaryData") or {}).values())))
