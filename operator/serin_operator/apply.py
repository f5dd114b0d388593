"""Apply: perform a decision's writes in their order. Decides nothing.

The first conflict ends the pass: what was read is no longer true. A write that the API server refuses is no reason to
leave out the others: it is answered, in the API server's own words, so that the next pass can say so.
"""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self, assert_never

from serin_core.api.status_view import condensed
from serin_core.contract import names
from serin_core.rollout.decide import Announcement
from serin_core.rollout.observation import Json
from serin_core.rollout.writes import (
    AnnotatePod,
    ApplyChild,
    CreateChild,
    DeleteChild,
    PutStatus,
    RemovePod,
    Write,
)
from serin_operator.interfaces import BusyError, ClusterError, ConflictError, Kubernetes, NotFoundError, RefusedError

log = logging.getLogger(__name__)
_LONGEST_NOTE = 1000


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that writes and Events are about, as it was read."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    revision: int

    @classmethod
    def of(cls, live: Json) -> Self:
        """Take it from the object itself, whether or not its spec can be read."""
        metadata, status = live["metadata"], live.get("status") or {}
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            resource_version=metadata["resourceVersion"],
            revision=status.get("propagation", {}).get("revision", 0),
        )

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Applier:
    """Performs writes through the Kubernetes border."""

    def __init__(self, cluster: Kubernetes) -> None:
        self._cluster = cluster

    async def put(self, subject: Subject, intent: PutStatus) -> None:
        """Write the intent. Raises ClusterError: without it, nothing else may be written."""
        text = _without_empty_maps(condensed(intent.status))
        await self._cluster.put_status(subject.namespace, subject.name, text, intent.resource_version)

    async def perform(self, subject: Subject, writes: Iterable[Write], now: datetime) -> tuple[str, ...]:
        """Perform all writes in order, and answer what was refused and why. Raises ClusterError for all else."""
        refusals = []
        for write in writes:
            try:
                await self._perform(subject, write, now)
            except RefusedError as error:
                refusals.append(str(error))
        return tuple(refusals)

    async def _perform(self, subject: Subject, write: Write, now: datetime) -> None:
        namespace = subject.namespace
        match write:
            case PutStatus():
                await self.put(subject, write)
            case CreateChild(rendered=rendered):
                await self._cluster.create(rendered)
            case ApplyChild(rendered=rendered, resource_version=version, owners=owners):
                await self._cluster.apply(rendered, version)
                what = f"{rendered['kind']} {rendered['metadata']['name']}"
                log.info("%s: applied %s over %s", subject, what, ", ".join(owners) or "its own last state")
                # A change of the routing is a new revision, and was announced as one.
                if owners and names.ROUTING_KEY not in rendered.get("data", {}):
                    message = f"Reverted a change of {what} by {', '.join(owners)}"
                    await self.announce(subject, (Announcement("ChildReverted", message, is_warning=True),), now)
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
        except (NotFoundError, ConflictError, RefusedError, BusyError) as error:
            log.info("%s: %s stays for now: %s", namespace, pod, error)

    async def announce(self, subject: Subject, announcements: Iterable[Announcement], now: datetime) -> None:
        """Post Events. One that cannot be posted is logged: the history in status tells the same story."""
        for announcement in announcements:
            try:
                await self._cluster.post_event(_event(subject, announcement, now))
            except ConflictError:
                continue
            except ClusterError as error:
                log.warning("%s: event not posted: %s", subject, error)


def _without_empty_maps(found: Json) -> Json:
    """Leave empty maps out: where an apply says {} of a map that had entries, the API server makes null of it."""
    kept = {key: _without_empty_maps(value) if isinstance(value, dict) else value for key, value in found.items()}
    return {key: value for key, value in kept.items() if value != {}}


def _event(subject: Subject, announcement: Announcement, now: datetime) -> Json:
    """Render an Event whose name says what it tells of, so that the same thing is told once."""
    told = f"{subject.uid}/{subject.revision}/{announcement.reason}/{announcement.message}"
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{subject.name}.{hashlib.sha256(told.encode()).hexdigest()[:16]}",
            "namespace": subject.namespace,
        },
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": subject.name,
            "namespace": subject.namespace,
            "uid": subject.uid,
            "resourceVersion": subject.resource_version,
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
