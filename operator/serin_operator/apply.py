"""Apply: perform a decision's writes in their order. Decides nothing; the first conflict ends the pass."""

import hashlib
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

from serin_core import names
from serin_core.observed import Json, Resource
from serin_core.rollout.decide import Announcement
from serin_core.rollout.writes import (
    AnnotatePod,
    ApplyChild,
    CreateChild,
    DeleteChild,
    PutStatus,
    RemovePod,
    Write,
)
from serin_operator.ports import ClusterError, ConflictError, Kubernetes, NotFoundError, RefusedError

log = logging.getLogger(__name__)
_LONGEST_NOTE = 1000


class Applier:
    """Performs writes through the Kubernetes border."""

    def __init__(self, cluster: Kubernetes) -> None:
        self._cluster = cluster

    async def perform(self, resource: Resource, writes: Iterable[Write]) -> None:
        """Perform all writes in order. Raises ClusterError; after one, nothing more is written."""
        for write in writes:
            await self._perform(resource.namespace, resource.name, write)

    async def _perform(self, namespace: str, name: str, write: Write) -> None:
        match write:
            case PutStatus(status=status, resource_version=version):
                await self._cluster.put_status(
                    namespace, name, status.model_dump(mode="json", exclude_none=True), version
                )
            case CreateChild(rendered=rendered):
                await self._cluster.create(rendered)
            case ApplyChild(rendered=rendered, resource_version=version, owners=owners):
                await self._cluster.apply(rendered, version)
                what = f"{rendered['kind']} {rendered['metadata']['name']}"
                log.info("%s/%s: applied %s over %s", namespace, name, what, ", ".join(owners) or "its own last state")
            case DeleteChild(kind=kind, name=child, resource_version=version):
                await self._gone_is_fine(kind, namespace, child, resource_version=version)
            case AnnotatePod(name=pod, uid=uid, announced=announced, annotations=annotations):
                expected = (names.ANNOTATION_REVISION, announced)
                await self._annotate(namespace, pod, uid=uid, expected=expected, annotations=annotations)
            case RemovePod(name=pod, uid=uid, is_forced=is_forced):
                await self._remove(namespace, pod, uid=uid, is_forced=is_forced)
            case _:
                assert_never(write)

    async def _gone_is_fine(self, kind: str, namespace: str, name: str, *, resource_version: str) -> None:
        try:
            await self._cluster.delete(kind, namespace, name, resource_version=resource_version, uid=None)
        except NotFoundError:
            return

    async def _annotate(
        self, namespace: str, pod: str, *, uid: str, expected: tuple[str, str | None], annotations: dict[str, str]
    ) -> None:
        try:
            await self._cluster.annotate_pod(namespace, pod, uid=uid, expected=expected, annotations=annotations)
        except NotFoundError:
            return

    async def _remove(self, namespace: str, pod: str, *, uid: str, is_forced: bool) -> None:
        try:
            if is_forced:
                await self._cluster.delete("Pod", namespace, pod, resource_version=None, uid=uid)
            else:
                await self._cluster.evict(namespace, pod)
        except (NotFoundError, ConflictError, RefusedError) as error:
            log.info("%s: %s stays for now: %s", namespace, pod, error)

    async def announce(self, resource: Resource, announcements: Iterable[Announcement], now: datetime) -> None:
        """Post Events. One that cannot be posted is logged: the history in status tells the same story."""
        for announcement in announcements:
            try:
                await self._cluster.create(_event(resource, announcement, now))
            except ConflictError:
                continue
            except ClusterError as error:
                log.warning("%s/%s: event not posted: %s", resource.namespace, resource.name, error)


def _event(resource: Resource, announcement: Announcement, now: datetime) -> Json:
    """Render an Event whose name says what it tells of, so that the same thing is told once."""
    revision = resource.status.propagation.revision if resource.status is not None else 0
    told = f"{resource.uid}/{revision}/{announcement.reason}/{announcement.message}"
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{resource.name}.{hashlib.sha256(told.encode()).hexdigest()[:16]}",
            "namespace": resource.namespace,
        },
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": resource.name,
            "namespace": resource.namespace,
            "uid": resource.uid,
            "resourceVersion": resource.resource_version,
        },
        "type": "Warning" if announcement.is_warning else "Normal",
        "reason": announcement.reason,
        "message": announcement.message[:_LONGEST_NOTE],
        "source": {"component": names.FIELD_MANAGER},
        "reportingComponent": names.FIELD_MANAGER,
        "reportingInstance": names.FIELD_MANAGER,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
