"""An informer: lists the objects of one kind page by page, keeps them in a store, and follows them by a watch.

kopf has no end of a list, does not report what was deleted between two lists, and reads whole objects
(docs/decisions/0130). Whatever goes wrong here ends in a new list.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from serin_core.api.base import Json
from serin_core.backoff import backoff
from serin_operator.heartbeat import Heartbeat
from serin_operator.interfaces import ClusterError, GoneError, Selection, Watchable
from serin_operator.object_store import ObjectStore, Place, place_of

log = logging.getLogger(__name__)
MAX_RETRY: Final = 5.0
_PAUSE: Final = 1.0
"""Seconds before a watch that has ended early, or a list that was too old, begins again."""


class Informer:
    """Follows the objects of one selection. `changed` is called with each object that has changed or is gone."""

    def __init__(self, api: Watchable, what: Selection, store: ObjectStore, changed: Callable[[Json], None]) -> None:
        self._api, self._what, self._store, self._changed = api, what, store, changed
        self._before: dict[Place, Json] = {}
        """What was known before a list that has not ended."""
        self._failures = 0
        """Errors since a watch worked: a list that works proves nothing where each watch after it is refused."""

    def __str__(self) -> str:
        return f"watch of {self._what.kind} in {self._what.namespace or 'all namespaces'}"

    async def run(self, heartbeat: Heartbeat) -> None:
        """List and watch until cancelled; begin again after every error once the API server responds."""
        while True:
            await heartbeat.connected.wait()
            try:
                await self._follow(await self._list())
            except GoneError as error:
                log.debug("%s: listed again: %s", self, error)
                await asyncio.sleep(_PAUSE)
            except ClusterError as error:
                heartbeat.record_watch_end(str(error))
                self._failures += 1
                await asyncio.sleep(backoff(1.0, MAX_RETRY, failures=self._failures))
            finally:
                self._store.forget_list(self._what.namespace)

    async def _list(self) -> str:
        """Put everything into the store, report what has changed since it was known, and return the list's version."""
        page = await self._api.list_page(self._what)
        self._before |= self._store.begin_list(self._what.namespace, page.version)
        while True:
            for item in page.items:
                known = self._before.pop(place_of(item), None)
                self._store.put(item)
                if known is None or known["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
                    self._changed(item)
            if not page.rest:
                break
            page = await self._api.list_page(self._what, page.rest)
        self._store.end_list(self._what.namespace)
        gone, self._before = self._before, {}
        for live in gone.values():
            self._changed(live)
        return page.version

    async def _follow(self, version: str) -> None:
        """Follow the changes since a version; a watch that just ends is continued from where it was."""
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            async with aclosing(self._api.watch(self._what, version)) as events:
                async for event in events:
                    self._failures = 0
                    version = event.object["metadata"]["resourceVersion"]
                    if event.type == "BOOKMARK":
                        continue
                    if event.type == "DELETED":
                        self._store.remove(event.object)
                    else:
                        self._store.put(event.object)
                    self._changed(event.object)
            self._failures = 0
            if clock() - started < _PAUSE:
                await asyncio.sleep(_PAUSE)
