"""The Kubernetes API in front of what is known: direct, or with reads from memory.

Both keep what they read and write. A decision from memory that writes anything but measurements is made again from
direct reads (`serin_core.rollout.freshness`), so that a stale read costs requests and nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from serin_core.api.base import Json
from serin_core.contract import names
from serin_operator.interfaces import ClusterError, Kubernetes, NotFoundError, RefusedError
from serin_operator.known_objects import KnownObjects
from serin_operator.object_store import UnknownError


class DirectCluster:
    """Implements `interfaces.Kubernetes`: every read is a request, whose result is kept."""

    def __init__(self, cluster: Kubernetes, known: KnownObjects) -> None:
        self._cluster, self._known = cluster, known

    async def get(self, kind: str, namespace: str, name: str) -> Json:
        """See interfaces.Kubernetes."""
        try:
            live = await self._cluster.get(kind, namespace, name)
        except (NotFoundError, RefusedError) as error:
            self._known.put_failure((kind, namespace, name), error)
            raise
        self._known.put(live)
        return live

    async def list(self, kind: str, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        """See interfaces.Kubernetes."""
        found = await self._cluster.list(kind, namespace, labels)
        for live in found:
            self._known.put(live)
        return found

    async def serves(self, api_version: str, plural: str) -> bool:
        """See interfaces.Kubernetes."""
        found = await self._cluster.serves(api_version, plural)
        self._known.put_served(api_version, plural, is_served=found)
        return found

    async def list_events(self, namespace: str, uid: str) -> Sequence[Json]:
        """See interfaces.Kubernetes."""
        return await self._cluster.list_events(namespace, uid)

    async def get_node(self, name: str) -> Json | None:
        """See interfaces.Kubernetes."""
        return await self._cluster.get_node(name)

    async def create(self, rendered: Json) -> Json:
        """See interfaces.Kubernetes."""
        metadata = rendered["metadata"]
        with self._doubting(rendered["kind"], metadata["namespace"], metadata["name"]):
            return self._kept(await self._cluster.create(rendered))

    async def apply(self, rendered: Json, resource_version: str) -> Json:
        """See interfaces.Kubernetes."""
        metadata = rendered["metadata"]
        with self._doubting(rendered["kind"], metadata["namespace"], metadata["name"]):
            return self._kept(await self._cluster.apply(rendered, resource_version))

    async def put_status(self, namespace: str, name: str, status: Json, resource_version: str) -> Json:
        """See interfaces.Kubernetes."""
        with self._doubting(names.KIND, namespace, name):
            return self._kept(await self._cluster.put_status(namespace, name, status, resource_version))

    async def annotate_pod(
        self, namespace: str, name: str, *, uid: str, expected: tuple[str, str | None], annotations: Mapping[str, str]
    ) -> Json:
        """See interfaces.Kubernetes."""
        with self._doubting("Pod", namespace, name):
            changed = await self._cluster.annotate_pod(
                namespace, name, uid=uid, expected=expected, annotations=annotations
            )
            return self._kept(changed)

    async def delete(
        self, kind: str, namespace: str, name: str, *, resource_version: str | None, uid: str | None
    ) -> None:
        """See interfaces.Kubernetes."""
        self._known.doubt(kind, namespace, name)
        with self._doubting(kind, namespace, name):
            await self._cluster.delete(kind, namespace, name, resource_version=resource_version, uid=uid)

    async def delete_lost_pod(self, namespace: str, name: str, uid: str) -> None:
        """See interfaces.Kubernetes."""
        self._known.doubt("Pod", namespace, name)
        with self._doubting("Pod", namespace, name):
            await self._cluster.delete_lost_pod(namespace, name, uid)

    async def evict(self, namespace: str, name: str) -> None:
        """See interfaces.Kubernetes."""
        self._known.doubt("Pod", namespace, name)
        with self._doubting("Pod", namespace, name):
            await self._cluster.evict(namespace, name)

    async def post_event(self, rendered: Json) -> None:
        """See interfaces.Kubernetes."""
        await self._cluster.post_event(rendered)

    async def repeat_event(self, namespace: str, name: str, series: Json) -> None:
        """See interfaces.Kubernetes."""
        await self._cluster.repeat_event(namespace, name, series)

    def _kept(self, live: Json) -> Json:
        self._known.put(live)
        return live

    @contextmanager
    def _doubting(self, kind: str, namespace: str, name: str) -> Iterator[None]:
        """After an error, also a conflict, do not trust what is known of the object."""
        try:
            yield
        except NotFoundError as error:
            self._known.put_failure((kind, namespace, name), error)
            raise
        except ClusterError:
            self._known.doubt(kind, namespace, name)
            raise


class CachedCluster(DirectCluster):
    """The same with reads from memory, as far as it can tell."""

    async def get(self, kind: str, namespace: str, name: str) -> Json:
        """See interfaces.Kubernetes."""
        try:
            return self._known.get(kind, namespace, name)
        except UnknownError:
            return await super().get(kind, namespace, name)

    async def list(self, kind: str, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        """See interfaces.Kubernetes."""
        try:
            return self._known.find(kind, namespace, labels)
        except UnknownError:
            return await super().list(kind, namespace, labels)

    async def serves(self, api_version: str, plural: str) -> bool:
        """See interfaces.Kubernetes."""
        try:
            return self._known.serves(api_version, plural)
        except UnknownError:
            return await super().serves(api_version, plural)
