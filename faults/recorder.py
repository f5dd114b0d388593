"""Records what the API server has, through watches that miss no state, and the notifications that arrive."""

import asyncio
import json
from typing import Any

import aiohttp
from aiohttp import web

from faults.history import History
from serin_core.contract import names
from serin_localcluster.node.api import Api, ApiError

MODELS = f"/apis/{names.API_VERSION}/{names.PLURAL}"
_TAKEN = {
    MODELS: ("spec", "status"),
    "/api/v1/configmaps": ("data",),
    "/api/v1/pods": (),
}
_OF_METADATA = (
    "name", "namespace", "uid", "generation", "resourceVersion", "annotations", "labels", "deletionTimestamp",
    "ownerReferences",
)  # fmt: skip


class Recorder:
    """Watches until cancelled."""

    def __init__(self, api: Api, history: History) -> None:
        self._api, self._history = api, history
        self.models: dict[str, dict[str, Any]] = {}
        """The SuggestionModels as they were last seen, by name."""
        self.changed = asyncio.Condition()

    async def run(self) -> None:
        """Record until cancelled."""
        async with asyncio.TaskGroup() as group:
            for path in _TAKEN:
                group.create_task(self._watch(path))

    async def _watch(self, path: str) -> None:
        version = ""
        while True:
            try:
                if not version:
                    found = await self._api.get(path)
                    version = found["metadata"]["resourceVersion"]
                    for live in found["items"]:
                        await self._note(path, "ADDED", live)
                async for event in self._api.follow(f"{path}?limit=0", version):
                    version = event["object"]["metadata"]["resourceVersion"]
                    await self._note(path, event["type"], event["object"])
            except (ApiError, aiohttp.ClientError, TimeoutError, ValueError) as error:
                if isinstance(error, ApiError) and error.status == web.HTTPGone.status_code:
                    self._history.add("gap", of=path)
                    version = ""
                await asyncio.sleep(0.2)

    async def _note(self, path: str, kind: str, live: dict[str, Any]) -> None:
        metadata = live["metadata"]
        if (
            path == "/api/v1/configmaps"
            and not metadata["name"].endswith(("-routing",))
            and "-trial-" not in metadata["name"]
        ):
            return
        kept = {"metadata": {key: metadata[key] for key in _OF_METADATA if key in metadata}}
        kept |= {key: live[key] for key in _TAKEN[path] if key in live}
        self._history.add("object", of=path.rpartition("/")[2], type=kind, object=kept)
        if path == MODELS:
            if kind == "DELETED":
                self.models.pop(metadata["name"], None)
            else:
                self.models[metadata["name"]] = live
            async with self.changed:
                self.changed.notify_all()

    async def receive(self, request: web.Request) -> web.Response:
        """Record a notification."""
        event = json.loads(await request.read())
        self._history.add("notified", id=event["id"], data=event["data"])
        return web.Response(status=204)
