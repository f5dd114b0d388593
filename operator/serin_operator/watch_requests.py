"""Lists and watches of the Kubernetes API."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from serin_core.api.base import Json
from serin_operator.api_paths import collection_of, whole
from serin_operator.api_requests import PLAIN_JSON, ApiRequests
from serin_operator.api_responses import error_of
from serin_operator.interfaces import ClusterError, Page, Selection, WatchEvent

_METADATA: Final = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
_PAGE: Final = 100
"""Objects in one page of a list that precedes a watch: each may have a megabyte."""
_WATCH_SECONDS: Final = 300


class WatchRequests:
    """Implements `interfaces.Watchable`."""

    def __init__(self, requests: ApiRequests) -> None:
        self._requests = requests

    async def list_page(self, what: Selection, rest: str = "") -> Page:
        """See interfaces.Watchable."""
        query = {"labelSelector": what.labels, "limit": str(_PAGE)} | ({"continue": rest} if rest else {})
        accept = _METADATA.format("List") if what.is_metadata_only else PLAIN_JSON
        found = await self._requests.send("GET", collection_of(what), query=query, accept=accept)
        try:
            items = tuple(whole(item, found["apiVersion"], what.kind) for item in found["items"] or ())
            return Page(items, found["metadata"]["resourceVersion"], found["metadata"].get("continue") or "")
        except (KeyError, TypeError):
            raise ClusterError(f"GET {collection_of(what)}: the response is not a list of objects") from None

    async def watch(self, what: Selection, version: str) -> AsyncGenerator[WatchEvent, None]:
        """See interfaces.Watchable."""
        query = {
            "labelSelector": what.labels,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        accept = _METADATA.format("") if what.is_metadata_only else PLAIN_JSON
        async with aclosing(self._requests.stream(collection_of(what), query=query, accept=accept)) as stream:
            async for event in stream:
                yield _event(event, what)


def _event(event: Json, what: Selection) -> WatchEvent:
    """Return a line of a watch. Raises ClusterError for an error event, and for anything else."""
    place = f"watch {collection_of(what)}"
    match event:
        case {"type": "ERROR", "object": dict(status)}:
            raise error_of(int(status.get("code", 500)), place, json.dumps(status), {})
        case {"type": str(kind), "object": {"metadata": {"resourceVersion": str()}} as found}:
            return WatchEvent(kind, whole(found, found.get("apiVersion", ""), what.kind))
        case _:
            raise ClusterError(f"{place}: a line is not an event")
