"""A pod's volumes as directories below its root.

ConfigMaps, Secrets and downward-API files are replaced as by the kubelet: a new directory, then one rename of the
`..data` symlink, so that a reader sees either all of the old or all of the new content.
"""

import base64
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serin_localcluster.node.api import Api, ApiError
from serin_localcluster.node.environment import field

Json = dict[str, Any]


class VolumeError(Exception):
    """A volume is not available now. The message is that of the kubelet's Event."""


async def contents(api: Api, pod: Json, volume: Json, *, address: str) -> dict[str, bytes] | None:
    """Return the files of a ConfigMap, Secret, downward-API or projected volume, else None. Raises VolumeError."""
    namespace = pod["metadata"]["namespace"]
    if "projected" in volume:
        files: dict[str, bytes] = {}
        for source in volume["projected"].get("sources", []):
            files |= await contents(api, pod, source, address=address) or {}
        return files
    if "configMap" in volume:
        source = volume["configMap"]
        found = await _fetch(api, f"/api/v1/namespaces/{namespace}/configmaps/{source['name']}", source, "configmap")
        text = {key: value.encode() for key, value in (found.get("data") or {}).items()}
        binary = {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}
        return _select(source, text | binary)
    if "secret" in volume:
        source = volume["secret"]
        name = source.get("secretName") or source.get("name")
        found = await _fetch(api, f"/api/v1/namespaces/{namespace}/secrets/{name}", source, "secret")
        return _select(source, {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()})
    if "downwardAPI" in volume:
        items = volume["downwardAPI"].get("items") or []
        return {item["path"]: field(item["fieldRef"]["fieldPath"], pod, address=address).encode() for item in items}
    if "serviceAccountToken" in volume:
        source = volume["serviceAccountToken"]
        return {source.get("path", "token"): (await service_account_token(api, pod)).encode()}
    return None


async def service_account_token(api: Api, pod: Json) -> str:
    """Return a new token of the pod's service account. Raises VolumeError."""
    account = pod["spec"].get("serviceAccountName", "default")
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/serviceaccounts/{account}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
    try:
        return str((await api.request("POST", path, body))["status"]["token"])
    except ApiError as error:
        raise VolumeError(f'no token for service account "{account}": {error}') from None


async def _fetch(api: Api, path: str, source: Mapping[str, Any], kind: str) -> Json:
    try:
        return await api.get(path)
    except ApiError as error:
        if error.status == 404 and source.get("optional"):  # noqa: PLR2004 - HTTP
            return {}
        name = path.rsplit("/", 1)[1]
        what = "not found" if error.status == 404 else str(error)  # noqa: PLR2004 - HTTP
        raise VolumeError(f'{kind} "{name}" {what}') from None


def _select(source: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, bytes]:
    items = source.get("items")
    if not items:
        return dict(files)
    missing = [item["key"] for item in items if item["key"] not in files and not source.get("optional")]
    if missing:
        raise VolumeError(f"references non-existent key: {missing[0]}")
    return {item["path"]: files[item["key"]] for item in items if item["key"] in files}


def swap(directory: Path, files: Mapping[str, bytes]) -> bool:
    """Replace the files of a directory by one rename; return whether anything changed."""
    directory.mkdir(parents=True, exist_ok=True)
    data = directory / "..data"
    if data.exists() and _read(data) == dict(files):
        return False
    fresh = directory / f"..{time.time_ns()}"
    fresh.mkdir()
    for name, content in files.items():
        file = fresh / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    former = data.readlink() if data.is_symlink() else None
    link = directory / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.rename(data)
    tops = {Path(name).parts[0] for name in files}
    for top in tops:
        if not (directory / top).is_symlink():
            (directory / top).symlink_to(f"..data/{top}")
    for entry in directory.iterdir():
        if not entry.name.startswith("..") and entry.name not in tops:
            entry.unlink()
    if former is not None:
        shutil.rmtree(directory / former, ignore_errors=True)
    return True


def _read(directory: Path) -> dict[str, bytes]:
    return {str(file.relative_to(directory)): file.read_bytes() for file in directory.rglob("*") if file.is_file()}


def link(path: Path, target: Path) -> None:
    """Make a symlink unless it is there already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(target)


async def place(api: Api, pod: Json, volume: Json) -> Path | None:
    """Return the host directory of a hostPath volume or claim, None for other kinds. Raises VolumeError."""
    if "hostPath" in volume:
        return Path(volume["hostPath"]["path"])
    if "persistentVolumeClaim" not in volume:
        return None
    name, namespace = volume["persistentVolumeClaim"]["claimName"], pod["metadata"]["namespace"]
    try:
        claim = await api.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")
        if claim.get("status", {}).get("phase") != "Bound":
            raise VolumeError(f'persistentvolumeclaim "{name}" is not bound')
        found = await api.get(f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}")
    except ApiError as error:
        missing = error.status == 404  # noqa: PLR2004 - HTTP
        raise VolumeError(f'persistentvolumeclaim "{name}" {"not found" if missing else error}') from None
    source = found["spec"].get("hostPath") or found["spec"].get("local")
    if source is None:
        raise VolumeError(f'persistentvolume "{found["metadata"]["name"]}": only hostPath and local are supported')
    return Path(source["path"])
