"""Apply: perform a decision's writes in their order. Decides nothing.

The first conflict ends the pass, because what was read is out of date. A write that the API server refuses, or that
admission changes, does not hold up the others: it is returned, so that the next pass can report it.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import assert_never

from serin_core.api.base import Json
from serin_core.api.status import Status
from serin_core.api.status_view import condensed
from serin_core.contract import names
from serin_core.kubernetes.diff import Difference, differences
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
from serin_operator.events import EventRecorder
from serin_operator.interfaces import BusyError, ConflictError, Kubernetes, NotFoundError, RefusedError
from serin_operator.object_ref import ObjectRef
from serin_operator.setbacks import Setback

log = logging.getLogger(__name__)


class Applier:
    """Performs writes through the Kubernetes API.

    `keep_status` is called with an object that has exactly the status that was written, and with this status.
    """

    def __init__(
        self, cluster: Kubernetes, *, keep_status: Callable[[Json, Status], None] = lambda _live, _status: None
    ) -> None:
        self._cluster, self._events, self._keep_status = cluster, EventRecorder(cluster), keep_status

    async def put_status(self, ref: ObjectRef, write: PutStatus) -> None:
        """Write the status. Raises ClusterError; nothing else may then be written."""
        sent = _without_empty_maps(condensed(write.status))
        live = await self._cluster.put_status(ref.namespace, ref.name, sent, ref.resource_version)
        if live.get("status") == sent:
            self._keep_status(live, write.status)

    async def put_status_json(self, ref: ObjectRef, status: Json) -> None:
        """Write a status that is plain JSON. Raises ClusterError."""
        await self._cluster.put_status(ref.namespace, ref.name, _without_empty_maps(status), ref.resource_version)

    async def perform(self, ref: ObjectRef, write: Write, now: datetime) -> Setback | None:
        """Perform a write; return what it left undone, None if nothing. Raises ClusterErrors other than refusals."""
        try:
            left = await self._perform(ref, write, now)
        except RefusedError as error:
            return Setback(write, refusal=str(error))
        return Setback(write, differences=left) if left else None

    async def _perform(self, ref: ObjectRef, write: Write, now: datetime) -> tuple[Difference, ...]:
        """Perform one write, and return the differences that an apply has left."""
        namespace = ref.namespace
        match write:
            case PutStatus():
                await self.put_status(ref, write)
            case CreateChild(rendered=rendered):
                await self._cluster.create(rendered)
            case ApplyChild():
                return await self._apply(ref, write, now)
            case DeleteChild(kind=kind, name=child, resource_version=version):
                with suppress(NotFoundError):
                    await self._cluster.delete(kind, namespace, child, resource_version=version, uid=None)
            case AnnotatePod(name=pod, uid=uid, announced=announced, annotations=annotations):
                expected = (names.ANNOTATION_REVISION, announced)
                with suppress(NotFoundError):
                    await self._cluster.annotate_pod(
                        namespace, pod, uid=uid, expected=expected, annotations=annotations
                    )
            case RemovePod():
                await self._remove_pod(namespace, write)
            case _:
                assert_never(write)
        return ()

    async def _apply(self, ref: ObjectRef, write: ApplyChild, now: datetime) -> tuple[Difference, ...]:
        rendered, owners = write.rendered, ", ".join(write.owners)
        left = differences(await self._cluster.apply(rendered, write.resource_version), rendered)
        what = f"{rendered['kind']} {rendered['metadata']['name']}"
        log.info("%s: applied %s over %s", ref, what, owners or "its own last state")
        # A change of the routing has an Event of its own: it makes a new revision.
        if owners and not left and names.ROUTING_KEY not in rendered.get("data", {}):
            message = f"Reverted a change of {what} by {owners}"
            await self.post_events(ref, (Announcement("ChildReverted", message, is_warning=True),), now)
        return left

    async def _remove_pod(self, namespace: str, write: RemovePod) -> None:
        pod, uid = write.name, write.uid
        try:
            if not write.waits_for_kubelet:
                await self._cluster.delete_lost_pod(namespace, pod, uid)
            elif write.is_forced:
                await self._cluster.delete("Pod", namespace, pod, resource_version=None, uid=uid)
            else:
                await self._cluster.evict(namespace, pod)
        except (NotFoundError, ConflictError, RefusedError, BusyError) as error:
            log.info("%s: pod %s is not removed yet: %s", namespace, pod, error)

    async def post_events(self, ref: ObjectRef, announcements: Iterable[Announcement], now: datetime) -> None:
        """Post Events. One that cannot be posted is only logged: the history in status holds the same."""
        await self._events.post(ref, announcements, now)


def _without_empty_maps(found: Json) -> Json:
    """Return an object without empty maps: applying {} over a map with entries, the API server stores null."""
    kept = {key: _without_empty_maps(value) if isinstance(value, dict) else value for key, value in found.items()}
    return {key: value for key, value in kept.items() if value != {}}
