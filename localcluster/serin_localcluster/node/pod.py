"""One pod of this node: volumes, containers, status, termination."""

import asyncio
import contextlib
import fnmatch
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serin_localcluster.node import volumes
from serin_localcluster.node.api import Api, ApiError
from serin_localcluster.node.container import Command, Container, now_text
from serin_localcluster.node.environment import expand, field, rewrite
from serin_localcluster.node.volumes import VolumeError
from serin_localcluster.pki import write_kubeconfig, write_private

Json = dict[str, Any]
_TOKEN_REFRESH_SECONDS = 3600.0
STALE_VOLUMES = "stale-volumes"
"""A file in the node's directory: while it exists, no volume is refreshed."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Settings of the node that all its pods share."""

    directory: Path
    images: Mapping[str, Sequence[str]]
    environment: Mapping[str, str]
    sync_seconds: float
    backoff_seconds: float
    subnet: str

    @property
    def host_address(self) -> str:
        """Address of the node itself."""
        return f"{self.subnet}.1"


class PodAgent:
    """Runs one pod until it is deleted. `update` passes each new version of its object."""

    def __init__(self, api: Api, pod: Json, *, address: str, settings: NodeSettings) -> None:
        self._api, self.pod, self.address, self._settings = api, pod, address, settings
        metadata = pod["metadata"]
        self.uid: str = metadata["uid"]
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        name = f"{metadata['namespace']}_{metadata['name']}_{self.uid}"
        self.directory = settings.directory / "pods" / name
        self._root = self.directory / "root"
        self._changed, self._refresh, self._deleted = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._placed_at, self._transitions = now_text(), dict[str, tuple[str, str]]()
        shared = (address, self.directory, settings.backoff_seconds, self._post_event, self._changed.set)
        policy = pod["spec"].get("restartPolicy", "Always")
        self.containers = [Container(spec, *shared, policy) for spec in pod["spec"]["containers"]]

    def update(self, pod: Json) -> None:
        """Take a new version of the object; changed annotations refresh the volumes at once, as in the kubelet."""
        if pod["metadata"].get("annotations") != self.pod["metadata"].get("annotations"):
            self._refresh.set()
        self.pod = pod
        if "deletionTimestamp" in pod["metadata"]:
            self._deleted.set()

    async def run(self) -> None:
        """Run the pod until it is deleted. When cancelled, kill its processes and keep the API object."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if "deletionTimestamp" in self.pod["metadata"]:
            self._deleted.set()
        tasks = [asyncio.create_task(self._publish()), asyncio.create_task(self._live())]
        try:
            deleted = asyncio.create_task(self._deleted.wait())
            await asyncio.wait({*tasks, deleted}, return_when=asyncio.FIRST_COMPLETED)
            if self._deleted.is_set():
                await self._end()
            deleted.cancel()
        finally:
            for container in self.containers:
                container.kill()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            shutil.rmtree(self.directory, ignore_errors=True)

    async def _end(self) -> None:
        grace = float(self.pod["metadata"].get("deletionGracePeriodSeconds", 30))
        for container in self.containers:
            await self._post_event("Normal", "Killing", f"Stopping container {container.name}")
        await asyncio.gather(*(container.stop(grace=grace) for container in self.containers))
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        for _ in range(20):
            try:
                await self._api.request("DELETE", self._path, body)
            except ApiError as error:
                if error.status in (404, 409):
                    return
                await asyncio.sleep(0.5)
            else:
                return

    async def _live(self) -> None:
        await self._until(self._mount, "FailedMount", "MountVolume.SetUp failed")
        async with asyncio.TaskGroup() as group:
            for container in self.containers:
                group.create_task(self._run_container(container))
            group.create_task(self._keep_volumes_fresh())

    async def _until(self, attempt: Any, reason: str, what: str) -> Any:
        """Retry until it succeeds, with the kubelet's Events."""
        posted = ""
        while True:
            try:
                return await attempt()
            except (VolumeError, ApiError, KeyError) as error:
                message = f"{what}: {error}"
                if message != posted:
                    posted = message
                    await self._post_event("Warning", reason, message)
                await asyncio.sleep(0.5)

    async def _mount(self) -> None:
        for volume in self.pod["spec"].get("volumes") or []:
            target = self.directory / "volumes" / volume["name"]
            if await self._refill(volume):
                continue
            if (host := await volumes.place(self._api, self.pod, volume)) is not None:
                volumes.link(target, host)
            elif "emptyDir" in volume:
                target.mkdir(parents=True, exist_ok=True)
            else:
                raise VolumeError(f'volume "{volume["name"]}" is of a kind that is not supported')
        for mount in (one for spec in self.pod["spec"]["containers"] for one in spec.get("volumeMounts") or []):
            if "subPath" in mount or "subPathExpr" in mount:
                raise VolumeError(f"{mount['mountPath']}: subPath is not supported")
            volumes.link(self._root / mount["mountPath"].strip("/"), self.directory / "volumes" / mount["name"])

    async def _refill(self, volume: Json) -> bool:
        """Write the present files of a volume; return whether it is of a kind that has files from the API server."""
        files = await volumes.contents(self._api, self.pod, volume, address=self.address)
        if files is not None:
            volumes.swap(self.directory / "volumes" / volume["name"], files)
        return files is not None

    async def _keep_volumes_fresh(self) -> None:
        """Refresh volumes at the kubelet's interval, or at once when the pod's annotations change."""
        token_due = asyncio.get_running_loop().time() + _TOKEN_REFRESH_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.sync_seconds):
                    await self._refresh.wait()
            self._refresh.clear()
            if (self._settings.directory / STALE_VOLUMES).exists():
                continue
            try:
                for volume in self.pod["spec"].get("volumes") or []:
                    await self._refill(volume)
                if asyncio.get_running_loop().time() > token_due and self._has_token:
                    await self._write_token()
                    token_due += _TOKEN_REFRESH_SECONDS
            except (VolumeError, ApiError, KeyError) as error:
                await self._post_event("Warning", "FailedMount", str(error))

    async def _run_container(self, container: Container) -> None:
        image = container.spec["image"]
        entry = next((argv for name, argv in self._settings.images.items() if fnmatch.fnmatch(image, name)), None)
        if entry is None:
            await self._post_event("Warning", "Failed", f'Failed to pull image "{image}": no command is configured')
            container.wait_for("ErrImagePull", f'no command is configured for "{image}"')
            await asyncio.sleep(2)
            container.wait_for("ImagePullBackOff", f'Back-off pulling image "{image}"')
            await asyncio.Event().wait()
            return
        variables = await self._until(lambda: self._variables(container.spec), "Failed", "Error")
        mounts = [mount["mountPath"] for mount in container.spec.get("volumeMounts") or []]

        def rewritten(text: str) -> str:
            return rewrite(text, root=self._root, mounts=mounts)

        environment = {name: rewritten(value) for name, value in variables.items()}
        given = [*(container.spec.get("command") or []), *(container.spec.get("args") or [])]
        arguments = [rewritten(expand(argument, variables)) for argument in given]
        if not container.spec.get("command"):
            # The image's program is outside the pod's root, so no mount hides it.
            arguments = [*entry, *arguments]
        self._root.mkdir(parents=True, exist_ok=True)
        await container.run(Command(arguments, self._inherited() | environment, self._root))

    def _inherited(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
        path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
        mine = {"PATH": path, "HOME": str(self._root), "SERIN_HOST": self.address}
        if self._has_token:
            mine["KUBECONFIG"] = str(self.directory / "kubeconfig")
        return kept | mine | dict(self._settings.environment)

    async def _variables(self, spec: Json) -> dict[str, str]:
        """Return the environment variables of a container's spec. Raises VolumeError, ApiError, KeyError."""
        if self._has_token:
            await self._write_token()
        found: dict[str, str] = {}
        for entry in spec.get("envFrom") or []:
            for source in ({"configMap": entry.get("configMapRef")}, {"secret": entry.get("secretRef")}):
                if any(source.values()):
                    files = await volumes.contents(self._api, self.pod, source, address=self.address) or {}
                    found |= {key: value.decode() for key, value in files.items()}
        for entry in spec.get("env") or []:
            found[entry["name"]] = await self._value(entry, found)
        return found

    async def _value(self, entry: Json, known: Mapping[str, str]) -> str:
        source = entry.get("valueFrom")
        if source is None:
            return expand(entry.get("value", ""), known)
        if "fieldRef" in source:
            return field(source["fieldRef"]["fieldPath"], self.pod, address=self.address)
        for kind, volume in (("configMapKeyRef", "configMap"), ("secretKeyRef", "secret")):
            if kind in source:
                files = await volumes.contents(self._api, self.pod, {volume: source[kind]}, address=self.address) or {}
                if source[kind]["key"] in files:
                    return files[source[kind]["key"]].decode()
                if source[kind].get("optional"):
                    return ""
                raise VolumeError(f"couldn't find key {source[kind]['key']} in {volume} {source[kind]['name']}")
        raise VolumeError(f"env {entry['name']}: only fieldRef, configMapKeyRef and secretKeyRef are supported")

    @property
    def _has_token(self) -> bool:
        return self.pod["spec"].get("automountServiceAccountToken") is not False

    async def _write_token(self) -> None:
        token = await volumes.service_account_token(self._api, self.pod)
        file = write_private(self.directory / "token", token.encode())
        authority = self.directory / "ca.crt"
        authority.write_bytes(self._api.authority)
        cluster = {"server": self._api.server, "certificate-authority": str(authority)}
        user = {"tokenFile": str(file), "token": token}
        write_kubeconfig(self.directory / "kubeconfig", name="pod", cluster=cluster, user=user)

    async def _publish(self) -> None:
        """Update the pod's status whenever it has changed."""
        written = ""
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            status = self._status()
            text = json.dumps(status, sort_keys=True)
            if text == written:
                continue
            try:
                await self._api.merge(f"{self._path}/status", {"metadata": {"uid": self.uid}, "status": status})
                written = text
            except ApiError as error:
                if error.status == 404:  # noqa: PLR2004 - HTTP
                    self._deleted.set()
                    return
                await asyncio.sleep(0.2)
                self._changed.set()

    def _status(self) -> Json:
        all_ready = all(container.ready for container in self.containers)
        exit_codes = [container.exit_code for container in self.containers]
        is_running = any("running" in container.state or container.restarts for container in self.containers)
        holds = {"PodScheduled": True, "Initialized": True, "ContainersReady": all_ready, "Ready": all_ready}
        phase = "Running" if is_running else "Pending"
        if None not in exit_codes:
            phase = "Failed" if any(exit_codes) else "Succeeded"
        return {
            "phase": phase,
            "hostIP": self._settings.host_address,
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "startTime": self._placed_at,
            "conditions": [self._condition(kind, holds=value) for kind, value in holds.items()],
            "containerStatuses": [container.status() for container in self.containers],
        }

    def _condition(self, kind: str, *, holds: bool) -> Json:
        status = str(holds)
        before = self._transitions.get(kind)
        if before is None or before[0] != status:
            self._transitions[kind] = before = (status, now_text())
        reason = {} if holds else {"reason": "ContainersNotReady", "message": "containers with unready status"}
        return {"type": kind, "status": status, "lastTransitionTime": before[1], **reason}

    async def _post_event(self, kind: str, reason: str, message: str) -> None:
        name, namespace = self.pod["metadata"]["name"], self.pod["metadata"]["namespace"]
        involved = {"apiVersion": "v1", "kind": "Pod", "name": name, "namespace": namespace, "uid": self.uid}
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{name}.", "namespace": namespace},
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": "kubelet", "host": "local"},
            "firstTimestamp": now_text(),
            "lastTimestamp": now_text(),
            "count": 1,
        }
        # Events are best effort; the namespace may be terminating.
        with contextlib.suppress(ApiError):
            await self._api.request("POST", f"/api/v1/namespaces/{namespace}/events", body)
