"""A node of server pods, all in this process: they can be killed, frozen and replaced one by one.

It is the kubelet (binds pods, mounts ConfigMaps, reports states), and each pod's users. Pods have loopback addresses.
"""

import asyncio
import contextlib
import itertools
import logging
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import web

from faults.history import History
from faults.server_process import ServerProcess, settings
from faults.stand_ins import RULES, Registry
from serin_core.contract import names
from serin_localcluster.node.api import Api, ApiError

NODES = ("storm-0", "storm-1")
BATCHES_A_SECOND = 4
SYNC_SECONDS = 8.0
"""Time between two refreshes of mounted files that nothing has asked for."""
_RETRY = 0.5
log = logging.getLogger(__name__)
Json = dict[str, Any]


@dataclass
class Pod:
    """One pod and what is known of it."""

    live: Json
    address: str
    folder: Path
    node: str
    process: ServerProcess | None = None
    is_frozen: bool = False
    is_cut_off: bool = False
    """Whether its node is lost."""
    is_ready: bool = False
    restarts: int = 0
    last_exit: Json | None = None
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    listener: asyncio.Server | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.live["metadata"]["namespace"], self.live["metadata"]["name"]

    @property
    def is_away(self) -> bool:
        """Whether it answers nobody."""
        return self.is_frozen or self.is_cut_off

    @property
    def path(self) -> str:
        """Path of the object at the API server."""
        return "/api/v1/namespaces/{}/pods/{}".format(*self.place)

    def map_of(self, volume: str) -> tuple[str, str]:
        """Return namespace and name of a mounted ConfigMap."""
        for one in self.live["spec"]["volumes"]:
            if one["name"] == volume and "configMap" in one:
                return self.live["metadata"]["namespace"], one["configMap"]["name"]
        raise LookupError(volume)

    def write(self, volume: str, name: str, text: str) -> None:
        """Replace a mounted file."""
        directory = self.folder / volume
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f".{name}").write_text(text)
        (directory / f".{name}").replace(directory / name)


class Fleet:
    """All pods of the node, by uid."""

    def __init__(self, api: Api, *, folder: Path, subnet: str, rate: int, history: History, random: Random) -> None:
        self._api, self._folder, self._history, self._random = api, folder, history, random
        self._batch = max(1, rate // BATCHES_A_SECOND)
        self._addresses = (f"{subnet}.{low}" for low in itertools.cycle(range(2, 255)))
        self._numbers = itertools.count(0, self._batch)
        self._nodes = itertools.cycle(NODES)
        self.lost: set[str] = set()
        """Nodes that are lost."""
        self._maps: dict[tuple[str, str], Json] = {}
        self.pods: dict[str, Pod] = {}
        self._by_address: dict[str, Pod] = {}
        self.registry = Registry()
        self.is_refreshing = True
        """Whether mounted files follow their ConfigMaps; False: as on a node whose kubelet is down."""
        self.misses_scrapes = False
        """Whether scrapes get no answer."""
        self._web = web.Server(self._respond, access_log=None)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._register()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch_maps())
                group.create_task(self._watch_pods(group))
        finally:
            for pod in self.pods.values():
                await self._stop(pod)

    def serving(self) -> Iterator[Pod]:
        """Yield the pods whose process runs."""
        return (pod for pod in list(self.pods.values()) if pod.process is not None)

    # --- faults ---

    async def kill(self, pod: Pod, *, exit_code: int = 137, reason: str = "Error") -> None:
        """Kill a pod's process; its container is started again."""
        # As a kubelet has it: a container that has ended is not ready, and gets no users until it is again.
        process, pod.process, pod.is_ready = pod.process, None, False
        if process is None:
            return
        started = pod.last_exit["finishedAt"] if pod.last_exit else pod.live["metadata"]["creationTimestamp"]
        await process.end()
        pod.last_exit = {"exitCode": exit_code, "reason": reason, "startedAt": started, "finishedAt": _now()}
        pod.restarts, pod.is_frozen = pod.restarts + 1, False
        await self._publish(pod)
        await self._start_process(pod)

    async def delete(self, pod: Pod, *, grace: int = 0) -> None:
        """Delete a pod, as a user does."""
        with contextlib.suppress(ApiError):
            await self._api.request("DELETE", pod.path, {"gracePeriodSeconds": grace})

    async def evict(self, pod: Pod) -> None:
        """End a pod as a kubelet does that is short of memory: it stays as Failed, and is never started again."""
        self.pods.pop(pod.live["metadata"]["uid"], None)
        pod.is_ready = False
        await self._stop(pod)
        status = _status(pod) | {"phase": "Failed", "reason": "Evicted", "message": "The node had too little memory."}
        [container] = status["containerStatuses"]
        container["state"] = {"terminated": {"exitCode": 137, "reason": "Error", "finishedAt": _now()}}
        await self._insist(lambda: self._api.merge(f"{pod.path}/status", {"status": status}))

    async def lose_node(self, node: str) -> None:
        """Cut a node off: nobody reaches its pods, and they are not ready."""
        self.lost.add(node)
        await self._publish_node(node, "Unknown", "NodeStatusUnknown")
        self._cut_off(node)

    async def return_node(self, node: str) -> None:
        """Let a lost node come back, with its pods as they were."""
        self.lost.discard(node)
        self._cut_off(node)
        await self._publish_node(node, "True", "KubeletReady")

    def _cut_off(self, node: str) -> None:
        for pod in self.pods.values():
            if pod.node == node:
                pod.is_cut_off = node in self.lost

    # --- the kubelet ---

    async def _register(self) -> None:
        for node in NODES:
            body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}
            with contextlib.suppress(ApiError):
                await self._api.request("POST", "/api/v1/nodes", body)
            await self._api.merge(f"/api/v1/nodes/{node}", {"spec": {"taints": None}})
            await self._publish_node(node, "True", "KubeletReady")

    async def _publish_node(self, node: str, status: str, reason: str) -> None:
        ready = {"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": _now()}
        path = f"/api/v1/nodes/{node}/status"
        await self._insist(lambda: self._api.merge(path, {"status": {"conditions": [ready]}}))

    async def _insist(self, send: Callable[[], Awaitable[Json]]) -> None:
        """Send a request until the API server has answered it, as a kubelet does."""
        while True:
            try:
                await send()
            except ApiError as error:
                if error.status in (404, 409):  # gone, or another object of the same name
                    return
                await asyncio.sleep(_RETRY)
            else:
                return

    async def _watch_maps(self) -> None:
        async for kind, found in self._api.watch("/api/v1/configmaps", labels=names.LABEL_MODEL):
            for live in found["items"] if kind == "SYNC" else [found]:
                place = live["metadata"]["namespace"], live["metadata"]["name"]
                if kind == "DELETED":
                    self._maps.pop(place, None)
                else:
                    self._maps[place] = live["data"]

    async def _watch_pods(self, group: asyncio.TaskGroup) -> None:
        async for kind, found in self._api.watch("/api/v1/pods", labels=names.LABEL_MODEL):
            listed = found["items"] if kind == "SYNC" else [found]
            uids = {live["metadata"]["uid"] for live in listed}
            if kind == "SYNC":
                for uid in set(self.pods) - uids:
                    group.create_task(self._end(self.pods.pop(uid)))
            for live in listed:
                uid, metadata = live["metadata"]["uid"], live["metadata"]
                if kind == "DELETED" or "deletionTimestamp" in metadata:
                    if (known := self.pods.pop(uid, None)) is not None:
                        group.create_task(self._end(known, is_deleted=kind == "DELETED"))
                elif (known := self.pods.get(uid)) is not None:
                    before, known.live = known.live, live
                    if _annotations(before) != _annotations(live):
                        self._refresh(known)
                elif live["status"].get("phase") != "Failed" and live["spec"].get("nodeName") in (None, *NODES):
                    node = live["spec"].get("nodeName") or self._next_node()
                    pod = Pod(live, next(self._addresses), self._folder / uid, node)
                    self.pods[uid] = pod
                    group.create_task(self._start(pod))

    def _next_node(self) -> str:
        return next(node for node in self._nodes if node not in self.lost)

    async def _start(self, pod: Pod) -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": pod.node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod.place[1]}, "target": target}
        await self._insist(lambda: self._api.request("POST", f"{pod.path}/binding", body))
        model = (await self._map(pod.map_of("model")))[names.MODEL_KEY]
        await self._map(pod.map_of("routing"))
        if pod.live["metadata"]["uid"] not in self.pods:
            return  # deleted meanwhile
        pod.write("rules", names.RULES_KEY, RULES)
        pod.write("model", names.MODEL_KEY, model)
        (pod.folder / "tokens").mkdir(exist_ok=True)
        self._refresh(pod)
        self._by_address[pod.address] = pod
        await self._start_process(pod)
        pod.listener = await asyncio.get_running_loop().create_server(self._web, pod.address, names.SERVER_PORT)
        for work in (self._probe, self._serve_users, self._sync):
            pod.tasks.add(asyncio.create_task(self._keep(work, pod)))

    async def _start_process(self, pod: Pod) -> None:
        process = ServerProcess(settings(pod.live, pod.folder), registry=self.registry, history=self._history)
        await process.start()
        if pod.live["metadata"]["uid"] in self.pods:
            pod.process = process
        else:
            await process.end()

    async def _end(self, pod: Pod, *, is_deleted: bool = False) -> None:
        # The kubelet of a lost node hears of a deletion once it is back.
        while pod.node in self.lost and not is_deleted:
            await asyncio.sleep(_RETRY)
        await self._stop(pod)
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod.live["metadata"]["uid"]}}
        await self._insist(lambda: self._api.request("DELETE", pod.path, body))

    async def _stop(self, pod: Pod) -> None:
        for task in pod.tasks:
            task.cancel()
        await asyncio.gather(*pod.tasks, return_exceptions=True)
        self._by_address.pop(pod.address, None)
        if pod.listener is not None:
            pod.listener.close()
        process, pod.process = pod.process, None
        if process is not None:
            await process.end()
        shutil.rmtree(pod.folder, ignore_errors=True)

    async def _map(self, place: tuple[str, str]) -> Json:
        while place not in self._maps:
            await asyncio.sleep(_RETRY)
        return self._maps[place]

    def _refresh(self, pod: Pod) -> None:
        """Mount what the API server has, and the pod's annotations."""
        if not self.is_refreshing or pod.is_away:
            return
        lines = (f'{key}="{value}"' for key, value in _annotations(pod.live).items() if '"' not in value)
        found = self._maps.get(pod.map_of("routing"), {}).get(names.ROUTING_KEY)
        if found is not None:
            pod.write("routing", names.ROUTING_KEY, found)
        pod.write("pod", "annotations", "\n".join(lines))

    async def _sync(self, pod: Pod) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(0.5, 1.5) * SYNC_SECONDS)
            self._refresh(pod)

    async def _probe(self, pod: Pod) -> None:
        while True:
            process = pod.process
            is_ready = process is not None and not pod.is_away and process.service.not_ready_reason() is None
            if is_ready is not pod.is_ready:
                pod.is_ready = is_ready
                await self._insist(lambda: self._api.merge(f"{pod.path}/status", {"status": _status(pod)}))
            await asyncio.sleep(0.3)

    async def _publish(self, pod: Pod) -> None:
        with contextlib.suppress(ApiError):
            await self._api.merge(f"{pod.path}/status", {"status": _status(pod)})

    async def _serve_users(self, pod: Pod) -> None:
        while True:
            await asyncio.sleep(1 / BATCHES_A_SECOND)
            if pod.process is not None and pod.is_ready and not pod.is_away:
                await pod.process.answer(next(self._numbers), self._batch)

    async def _keep(self, work: Callable[[Pod], Any], pod: Pod) -> None:
        try:
            await work(pod)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("%s of %s", work.__name__, pod.place)
            self._history.add("broken", what=f"{work.__name__} of {pod.place}")

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        body, transport = await request.read(), request.transport
        if transport is None:
            return web.Response(status=503)
        pod = self._by_address.get(transport.get_extra_info("sockname")[0])
        while pod is not None and pod.is_away:
            await asyncio.sleep(0.1)
        if pod is None or pod.process is None:
            transport.abort()
            return web.Response(status=503)
        if request.path == "/metrics" and self.misses_scrapes:
            return web.Response(status=503)
        if request.path == "/metrics":
            return web.Response(body=pod.process.metrics(), headers={"Content-Type": "text/plain; version=0.0.4"})
        headers = {
            name: request.headers[name]
            for name in ("Content-Type", names.SUPERVISION_HEADER)
            if name in request.headers
        }
        found = await pod.process.respond(request.method, request.path_qs, body, headers)
        return web.Response(status=found.status_code, body=found.content, content_type="application/json")


def _annotations(live: Json) -> dict[str, str]:
    return live["metadata"].get("annotations") or {}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _status(pod: Pod) -> Json:
    truth = str(pod.is_ready)
    conditions = [
        {
            "type": kind,
            "status": "True" if kind in ("PodScheduled", "Initialized") else truth,
            "lastTransitionTime": _now(),
        }
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    container = pod.live["spec"]["containers"][0]
    status = {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "containerID": f"storm://{pod.live['metadata']['uid']}/{pod.restarts}",
        "ready": pod.is_ready,
        "started": True,
        "restartCount": pod.restarts,
        "state": {"running": {"startedAt": _now()}},
    }
    if pod.last_exit is not None:
        status["lastState"] = {"terminated": pod.last_exit}
    return {
        "phase": "Running",
        "podIP": pod.address,
        "podIPs": [{"ip": pod.address}],
        "startTime": pod.live["metadata"]["creationTimestamp"],
        "conditions": conditions,
        "containerStatuses": [status],
    }
