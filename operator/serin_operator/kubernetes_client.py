"""The Kubernetes API through `kubernetes.aio`, the async part of the official client. One instance per process."""

import asyncio
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

from kubernetes.aio.client import ApiClient

from serin_core.api.base import Json
from serin_core.contract import names
from serin_core.kubernetes import diff
from serin_operator.api_paths import path_of, whole
from serin_operator.api_requests import JSON_PATCH, ApiRequests, connect
from serin_operator.busy import Sleep
from serin_operator.interfaces import ClusterError, ConflictError, NotFoundError, RefusedError
from serin_operator.watch_requests import WatchRequests

log = logging.getLogger(__name__)
APPLY: Final = "application/apply-patch+yaml"
MERGE_PATCH: Final = "application/merge-patch+json"
MINIMUM_VERSION: Final = (1, 30)
"""The first Kubernetes that takes the preStop sleep of server pods (docs/decisions/0074)."""
_AS_OPERATOR: Final = {"fieldManager": names.FIELD_MANAGER}
_MAX_ATTEMPTS: Final = 5
_CORE_EVENTS: Final = "/api/v1/namespaces/{namespace}/events"
"""Where Events about pods are read: kubelets post them there."""


class KubernetesClient:
    """Implements `interfaces.Kubernetes`. `seconds_to_write` returns for how long this operator may still write."""

    def __init__(
        self,
        client: ApiClient,
        seconds_to_write: Callable[[], float] = lambda: math.inf,
        *,
        follow_date: Callable[[str], None] = lambda _date: None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`follow_date` gets the header Date of each response, "" without one."""
        self._requests = ApiRequests(client, seconds_to_write, follow_date=follow_date, sleep=sleep)
        self._send = self._requests.send
        self.watches = WatchRequests(self._requests)

    @classmethod
    async def connect(
        cls,
        seconds_to_write: Callable[[], float] = lambda: math.inf,
        *,
        follow_date: Callable[[str], None] = lambda _date: None,
    ) -> Self:
        """Connect to the cluster of KUBECONFIG, or else to the one that this pod runs in. Raises ClusterError."""
        return cls(await connect(), seconds_to_write, follow_date=follow_date)

    async def reconnect(self) -> None:
        """Replace the connection, with credentials and certificate authorities as they are now. Raises ClusterError."""
        await self._requests.reconnect()

    def has_new_authorities(self) -> bool:
        """Return whether a new connection would trust other certificate authorities than this one."""
        return self._requests.has_new_authorities()

    async def close(self) -> None:
        """Close the connections."""
        await self._requests.close()

    async def get(self, kind: str, namespace: str, name: str) -> Json:
        """See interfaces.Kubernetes."""
        return await self._send("GET", path_of(kind, namespace, name))

    async def list(self, kind: str, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        """See interfaces.Kubernetes."""
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        found = await self._send("GET", path_of(kind, namespace), query={"labelSelector": selector})
        return [whole(item, found["apiVersion"], kind) for item in found["items"]]

    async def check_access(self, namespaces: Sequence[str]) -> None:
        """List a SuggestionModel of each namespace, or of the cluster if none is given. Raises ClusterError."""
        everywhere = f"/apis/{names.API_VERSION}/{names.PLURAL}"
        for path in [path_of(names.KIND, namespace) for namespace in namespaces] or [everywhere]:
            await self._send("GET", path, query={"limit": "1"})

    async def check_served(self) -> None:
        """Check that discovery has SuggestionModels, a moment after they can be listed. Raises ClusterError."""
        groups = await self._send("GET", "/apis")
        is_listed = any(one["name"] == names.GROUP for one in groups["groups"])
        if not is_listed or not await self.serves(names.API_VERSION, names.PLURAL):
            raise NotFoundError(f"GET /apis/{names.API_VERSION}: {names.PLURAL} are not served")

    async def list_events(self, namespace: str, uid: str) -> Sequence[Json]:
        """See interfaces.Kubernetes."""
        query = {"fieldSelector": f"involvedObject.uid={uid}"}
        try:
            found = await self._send("GET", _CORE_EVENTS.format(namespace=namespace), query=query)
        except RefusedError as error:
            # The role of an older installation: messages are less precise, and nothing else depends on Events.
            log.debug("Events cannot be read: %s", error)
            return ()
        return list(found["items"])

    async def get_node(self, name: str) -> Json | None:
        """See interfaces.Kubernetes."""
        try:
            return await self._send("GET", f"/api/v1/nodes/{name}")
        except RefusedError as error:
            log.debug("Nodes cannot be read: %s", error)
            return None

    async def check_version(self) -> None:
        """Check that the API server is new enough, where it may be asked. Raises ClusterError."""
        try:
            version = str((await self._send("GET", "/version"))["gitVersion"])
        except (NotFoundError, RefusedError):
            return
        found = re.match(r"v?(\d+)\.(\d+)", version)
        if found is not None and (int(found[1]), int(found[2])) < MINIMUM_VERSION:
            needed = ".".join(map(str, MINIMUM_VERSION))
            raise ClusterError(f"this is Kubernetes {version}; Serin needs {needed} or newer")

    async def serves(self, api_version: str, plural: str) -> bool:
        """See interfaces.Kubernetes."""
        try:
            kinds = await self._send("GET", f"/apis/{api_version}")
        except (NotFoundError, RefusedError):
            return False
        return any(one["name"] == plural for one in kinds["resources"])

    async def create(self, rendered: Json) -> Json:
        """See interfaces.Kubernetes.

        The API server records a create as an Update of the field manager. It is turned into an Apply here; otherwise a
        later apply would not remove the fields that it leaves out.
        """
        kind, namespace, name = rendered["kind"], rendered["metadata"]["namespace"], rendered["metadata"]["name"]
        created = await self._create(kind, namespace, rendered)
        for _ in range(_MAX_ATTEMPTS):
            try:
                await self._turn_into_apply(path_of(kind, namespace, name), created)
            except ConflictError:
                # A controller has written the object in between, so that the entry may have moved in the list.
                created = await self.get(kind, namespace, name)
            else:
                break
        return created

    async def create_secret(self, rendered: Json) -> None:
        """See routing_keys.Secrets."""
        await self._create("Secret", rendered["metadata"]["namespace"], rendered)

    async def post_event(self, rendered: Json) -> None:
        """See interfaces.Kubernetes."""
        await self._create("Event", rendered["metadata"]["namespace"], rendered)

    async def repeat_event(self, namespace: str, name: str, series: Json) -> None:
        """See interfaces.Kubernetes."""
        body = {"series": series}
        await self._send("PATCH", path_of("Event", namespace, name), body=body, content_type=MERGE_PATCH)

    async def _create(self, kind: str, namespace: str, rendered: Json) -> Json:
        return await self._send("POST", path_of(kind, namespace), query=_AS_OPERATOR, body=rendered)

    async def _turn_into_apply(self, path: str, live: Json) -> None:
        for index, entry in enumerate(live["metadata"].get("managedFields", [])):
            if entry["manager"] == names.FIELD_MANAGER and entry["operation"] == "Update":
                place = f"/metadata/managedFields/{index}"
                patch = [
                    {"op": "test", "path": f"{place}/manager", "value": names.FIELD_MANAGER},
                    {"op": "test", "path": f"{place}/operation", "value": "Update"},
                    {"op": "replace", "path": f"{place}/operation", "value": "Apply"},
                ]
                await self._send("PATCH", path, body=patch, content_type=JSON_PATCH)

    async def apply(self, rendered: Json, resource_version: str) -> Json:
        """See interfaces.Kubernetes."""
        metadata = rendered["metadata"] | {"resourceVersion": resource_version}
        path = path_of(rendered["kind"], metadata["namespace"], metadata["name"])
        applied = await self._apply(path, rendered | {"metadata": metadata})
        kept = diff.without_additions(applied, rendered)
        if kept == applied or diff.holds(applied, rendered):
            return applied
        return await self._send("PUT", path, query=_AS_OPERATOR, body=kept)

    async def put_status(self, namespace: str, name: str, status: Json, resource_version: str) -> Json:
        """See interfaces.Kubernetes."""
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": name, "namespace": namespace, "resourceVersion": resource_version},
            "status": status,
        }
        return await self._apply(f"{path_of(names.KIND, namespace, name)}/status", body)

    async def annotate_pod(
        self, namespace: str, name: str, *, uid: str, expected: tuple[str, str | None], annotations: Mapping[str, str]
    ) -> Json:
        """See interfaces.Kubernetes."""
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": _annotation(expected[0]), "value": expected[1]},
            *({"op": "add", "path": _annotation(key), "value": value} for key, value in annotations.items()),
        ]
        return await self._send("PATCH", path_of("Pod", namespace, name), body=patch, content_type=JSON_PATCH)

    async def delete(
        self, kind: str, namespace: str, name: str, *, resource_version: str | None, uid: str | None
    ) -> None:
        """See interfaces.Kubernetes."""
        wanted = {"resourceVersion": resource_version, "uid": uid}
        preconditions = {key: value for key, value in wanted.items() if value is not None}
        await self._send("DELETE", path_of(kind, namespace, name), body={"preconditions": preconditions})

    async def delete_lost_pod(self, namespace: str, name: str, uid: str) -> None:
        """See interfaces.Kubernetes."""
        body = {"preconditions": {"uid": uid}, "gracePeriodSeconds": 0}
        await self._send("DELETE", path_of("Pod", namespace, name), body=body)

    async def evict(self, namespace: str, name: str) -> None:
        """See interfaces.Kubernetes."""
        metadata = {"name": name, "namespace": namespace}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        await self._send("POST", f"{path_of('Pod', namespace, name)}/eviction", body=body)

    async def read_lease(self, namespace: str, name: str, *, is_exact: bool) -> Json:
        """Read a Lease, as it is now or as the API server remembers it. Raises NotFoundError."""
        query = {} if is_exact else {"resourceVersion": "0"}
        return await self._send("GET", path_of("Lease", namespace, name), query=query)

    async def write_lease(self, lease: Json) -> Json:
        """Create a Lease, or replace the version of its resourceVersion. It needs no leadership: it makes it."""
        namespace, name = lease["metadata"]["namespace"], lease["metadata"]["name"]
        if "resourceVersion" in lease["metadata"]:
            return await self._send("PUT", path_of("Lease", namespace, name), body=lease)
        return await self._send("POST", path_of("Lease", namespace), body=lease)

    async def _apply(self, path: str, body: Json) -> Json:
        query = _AS_OPERATOR | {"force": "true"}
        return await self._send("PATCH", path, query=query, body=body, content_type=APPLY)


def _annotation(key: str) -> str:
    return f"/metadata/annotations/{key.replace('~', '~0').replace('/', '~1')}"
