"""All server pods of the benchmark in one process: a node that starts them at once, and their HTTP endpoints.

    python benchmarks/scale/fleet.py --kubeconfig FILE --subnet 127.200 [--rate 20]

Pods with the node selector of resources.py are bound to a node of its own; each gets an address of loopback, at which
this process listens on the port of servers. A pod takes over its routing ConfigMap as a kubelet brings it: when it
starts, and when its annotations change, or as the operator sends it. SIGUSR1 stops the traffic that the counters show,
and starts it again.
"""

import argparse
import asyncio
import contextlib
import itertools
import resource
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from aiohttp import web
from answers import Answers, Server
from resources import NODE, NODE_LABELS

from serin_core.contract import environment, names, pushed_routing
from serin_core.contract.documents import ModelDocument, RoutingDocument
from serin_localcluster.node.api import Api, ApiError

AT_ONCE = 40
_TEXT = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
_JSON = {"Content-Type": "application/json"}


class Traffic:
    """The clock of the traffic, which can be stopped."""

    def __init__(self):
        self._moved, self._since = 0.0, time.monotonic()

    def now(self):
        """Return the seconds for which there has been traffic."""
        return self._moved + (0.0 if self._since is None else time.monotonic() - self._since)

    def toggle(self):
        """Stop the traffic, or start it again."""
        self._moved, self._since = self.now(), time.monotonic() if self._since is None else None


class Fleet:
    """The pods, by uid, and their servers, by address."""

    def __init__(self, api, *, subnet, rate):
        self._api, self._answers, self._traffic = api, Answers(rate), Traffic()
        self._addresses = (f"{subnet}.{high}.{low}" for high, low in itertools.product(range(256), range(1, 255)))
        self._places, self._listeners = {}, {}
        self._servers, self._maps = {}, {}
        self._web, self._free = web.Server(self._respond, access_log=None), asyncio.Semaphore(AT_ONCE)

    async def run(self):
        """Work until cancelled."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._traffic.toggle)
        await self._register()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_maps())
            group.create_task(self._watch_pods(group))

    async def _register(self):
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": NODE_LABELS}}
        with contextlib.suppress(ApiError):  # it exists already
            await self._api.request("POST", "/api/v1/nodes", body)
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": _now()}
        status = {"conditions": [ready], "allocatable": {"pods": "100000"}, "capacity": {"pods": "100000"}}
        await self._api.merge(f"/api/v1/nodes/{NODE}", {"spec": {"taints": None}})
        await self._api.merge(f"/api/v1/nodes/{NODE}/status", {"status": status})

    async def _watch_maps(self):
        async for kind, found in self._api.watch("/api/v1/configmaps", labels=names.LABEL_MODEL):
            for live in found["items"] if kind == "SYNC" else [found]:
                place = live["metadata"]["namespace"], live["metadata"]["name"]
                if kind == "DELETED":
                    self._maps.pop(place, None)
                    continue
                self._maps[place] = live["data"]
                for uid, (routing, _address) in list(self._places.items()):
                    if routing == place:
                        self._refresh(uid)

    async def _watch_pods(self, group):
        async for kind, found in self._api.watch("/api/v1/pods", labels=names.LABEL_MODEL):
            for live in found["items"] if kind == "SYNC" else [found]:
                metadata = live["metadata"]
                uid = metadata["uid"]
                if kind == "DELETED" or "deletionTimestamp" in metadata:
                    if (place := self._places.pop(uid, None)) is not None:
                        group.create_task(self._end(live, place[1]))
                elif uid in self._places:
                    self._announce(uid, metadata)
                elif live["spec"].get("nodeSelector") == NODE_LABELS and _is_unschedulable(live):
                    address = next(self._addresses)
                    self._places[uid] = (_names_of_maps(live)["routing"], address)
                    group.create_task(self._start(live, address))

    async def _start(self, live, address):
        metadata, maps = live["metadata"], _names_of_maps(live)
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        async with self._free:
            target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": metadata["name"]}, "target": target}
            model = ModelDocument.parse((await self._map(maps["model"]))[names.MODEL_KEY])
            await self._map(maps["routing"])
            self._servers[address] = Server(
                model=f"{metadata['namespace']}/{metadata['labels'][names.LABEL_MODEL]}",
                uid=metadata["labels"][names.LABEL_UID],
                pod=metadata["name"],
                process=token_hex(8),
                attempt=model.attempt,
                runs=tuple(one.run for one in model.runs),
                routing_key=_variables(live).get(environment.ROUTING_KEY.name, ""),
            )
            self._announce(metadata["uid"], metadata)
            loop = asyncio.get_running_loop()
            self._listeners[address] = await loop.create_server(self._web, address, names.SERVER_PORT)
            with contextlib.suppress(ApiError):  # deleted meanwhile
                await self._api.request("POST", f"{path}/binding", binding)
                await self._api.merge(f"{path}/status", {"status": _running(live, address)})

    async def _end(self, live, address):
        metadata = live["metadata"]
        async with self._free:
            if address in self._listeners:
                self._listeners.pop(address).close()
            self._servers.pop(address, None)
            path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
            body = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
            with contextlib.suppress(ApiError):
                await self._api.request("DELETE", path, body)

    async def _map(self, place):
        while place not in self._maps:
            with contextlib.suppress(ApiError):
                found = await self._api.get(f"/api/v1/namespaces/{place[0]}/configmaps/{place[1]}")
                self._maps.setdefault(place, found["data"])
                break
            await asyncio.sleep(0.5)
        return self._maps[place]

    def _announce(self, uid, metadata):
        server = self._servers.get(self._places[uid][1])
        if server is not None:
            announced = int((metadata.get("annotations") or {}).get(names.ANNOTATION_REVISION, -1))
            server.announced = max(server.announced, announced)
            self._refresh(uid)

    def _refresh(self, uid):
        """Let a pod take over a routing that has been announced to it, or the first one."""
        place, address = self._places[uid]
        server = self._servers.get(address)
        if server is not None and place in self._maps:
            routing = RoutingDocument.parse(self._maps[place][names.ROUTING_KEY])
            if server.routing is None or routing.revision <= server.announced:
                server.take(routing, self._traffic.now())

    async def _respond(self, request):
        server = self._servers.get(request.transport.get_extra_info("sockname")[0])
        if server is None:
            return web.Response(status=503)
        if request.path == "/metrics":
            return web.Response(body=self._answers.metrics(server, self._traffic.now()), headers=_TEXT)
        if request.path == pushed_routing.PATH:
            pushed = pushed_routing.PushedRouting.model_validate_json(await request.read())
            routing = RoutingDocument.parse(pushed.document)
            server.announced = max(server.announced, routing.revision)
            server.take(routing, self._traffic.now())
        known = request.query.get(names.KNOWN_DIGESTS, "")
        return web.Response(body=self._answers.status(server, known), headers=_JSON)


def _is_unschedulable(live):
    """Return whether the node of the local cluster has refused a pod; it would overwrite the conditions of others."""
    conditions = live["status"].get("conditions") or []
    return any(one["type"] == "PodScheduled" and one["status"] == "False" for one in conditions)


def _names_of_maps(live):
    """Return namespace and name of the ConfigMaps in a pod's volumes, by the name of the volume."""
    volumes = (one for one in live["spec"]["volumes"] if "configMap" in one)
    return {one["name"]: (live["metadata"]["namespace"], one["configMap"]["name"]) for one in volumes}


def _variables(live):
    return {one["name"]: one.get("value", "") for one in live["spec"]["containers"][0]["env"]}


def _now():
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _running(live, address):
    holds = [
        {"type": kind, "status": "True", "lastTransitionTime": _now()}
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    container = live["spec"]["containers"][0]
    status = {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "containerID": f"simulated://{live['metadata']['uid']}",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": _now()}},
    }
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": _now(),
        "conditions": holds,
        "containerStatuses": [status],
    }


async def main():
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--subnet", required=True, help="first two parts of the addresses of pods")
    parser.add_argument("--rate", type=float, default=20.0, help="transactions a second and pod (%(default)s)")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    api = Api(options.kubeconfig)
    with contextlib.suppress(asyncio.CancelledError):
        await Fleet(api, subnet=options.subnet, rate=options.rate).run()
    await api.close()


if __name__ == "__main__":
    asyncio.run(main())
