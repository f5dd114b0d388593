"""The node: registers itself, schedules pods and runs an agent for each."""

import asyncio
import itertools
import logging
import os
from typing import Any

from serin_localcluster.node.api import Api, ApiError
from serin_localcluster.node.container import now_text
from serin_localcluster.node.pod import NodeSettings, PodAgent

Json = dict[str, Any]
NAME = "local"
KUBELET_PORT = 10250
LABELS = {"kubernetes.io/hostname": NAME, "kubernetes.io/os": "linux"}
ALLOCATABLE = {"cpu": "64", "memory": "64Gi", "pods": "250"}
_UNITS = {"m": 0.001, "": 1.0, "k": 1e3, "Ki": 2.0**10, "M": 1e6, "Mi": 2.0**20, "G": 1e9, "Gi": 2.0**30}
log = logging.getLogger(__name__)


class Node:
    """The pods of this machine."""

    def __init__(self, api: Api, settings: NodeSettings) -> None:
        self._api, self._settings = api, settings
        self.agents: dict[str, PodAgent] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._numbers = itertools.cycle(range(2, 255))

    async def register(self) -> None:
        """Create the Node object. Raises ApiError."""
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME, "labels": LABELS}}
        try:
            await self._api.request("POST", "/api/v1/nodes", node)
        except ApiError as error:
            if error.status != 409:  # noqa: PLR2004 - HTTP: it exists already
                raise
        await self._api.merge(f"/api/v1/nodes/{NAME}", {"spec": {"taints": None}})
        condition = {"lastHeartbeatTime": now_text(), "lastTransitionTime": now_text()}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "processes on one machine"}
        status = {
            "addresses": [
                {"type": "InternalIP", "address": self._settings.host_address},
                {"type": "Hostname", "address": NAME},
            ],
            "allocatable": ALLOCATABLE,
            "capacity": ALLOCATABLE,
            "conditions": [ready | condition],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
            "nodeInfo": {
                "architecture": os.uname().machine,
                "operatingSystem": "linux",
                "kernelVersion": os.uname().release,
                "osImage": "serin-localcluster",
                "containerRuntimeVersion": "process://1",
                "kubeletVersion": "v1.37.2",
                "kubeProxyVersion": "",
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
            },
        }
        await self._api.merge(f"/api/v1/nodes/{NAME}/status", {"status": status})

    async def run(self) -> None:
        """Watch the pods until cancelled, then kill their processes."""
        try:
            async for kind, found in self._api.watch("/api/v1/pods"):
                if kind == "SYNC":
                    present = {pod["metadata"]["uid"] for pod in found["items"]}
                    for pod in found["items"]:
                        await self._handle(pod)
                    for uid in set(self.agents) - present:
                        self._forget(uid)
                elif kind == "DELETED":
                    self._forget(found["metadata"]["uid"])
                else:
                    await self._handle(found)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _handle(self, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self.agents:
            self.agents[uid].update(pod)
        elif not pod["spec"].get("nodeName"):
            await self._place(pod)
        elif pod["spec"]["nodeName"] == NAME and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            agent = PodAgent(self._api, pod, address=self._address(), settings=self._settings)
            self.agents[uid] = agent
            self._tasks[uid] = asyncio.create_task(self._run(agent))

    async def _run(self, agent: PodAgent) -> None:
        try:
            await agent.run()
        except Exception:
            # A bug in the agent of one pod must not stop the node.
            log.exception("pod %s", agent.pod["metadata"]["name"])
        finally:
            self.agents.pop(agent.uid, None)
            self._tasks.pop(agent.uid, None)

    def _forget(self, uid: str) -> None:
        task = self._tasks.get(uid)
        if task is not None:
            task.cancel()

    def _address(self) -> str:
        used = {agent.address for agent in self.agents.values()}
        return next(address for number in self._numbers if (address := f"{self._settings.subnet}.{number}") not in used)

    async def _place(self, pod: Json) -> None:
        metadata, reason = pod["metadata"], unschedulable_reason(pod)
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        try:
            if reason:
                condition = {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": f"0/1 nodes are available: {reason}",
                    "lastTransitionTime": now_text(),
                }
                known = pod.get("status", {}).get("conditions") or []
                if not any(one["type"] == "PodScheduled" and one["message"] == condition["message"] for one in known):
                    await self._api.merge(f"{path}/status", {"status": {"conditions": [condition]}})
                return
            target = {"apiVersion": "v1", "kind": "Node", "name": NAME}
            body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": metadata["name"]}, "target": target}
            await self._api.request("POST", f"{path}/binding", body)
        except ApiError as error:
            if error.status not in (404, 409):
                log.warning("placing %s: %s", metadata["name"], error)


def unschedulable_reason(pod: Json) -> str:
    """Return why this node cannot run a pod, or "" if it can."""
    selector = pod["spec"].get("nodeSelector") or {}
    if any(LABELS.get(key) != value for key, value in selector.items()):
        return "1 node(s) didn't match Pod's node affinity/selector."
    for name in ("cpu", "memory"):
        requests = (one.get("resources", {}).get("requests", {}).get(name, "0") for one in pod["spec"]["containers"])
        if sum(map(_number, requests)) > _number(ALLOCATABLE[name]):
            return f"1 Insufficient {name}."
    return ""


def _number(quantity: str) -> float:
    unit = quantity.lstrip("0123456789.")
    return float(quantity.removesuffix(unit)) * _UNITS.get(unit, 1e12)
