"""Events of a SuggestionModel, in the API events.k8s.io/v1: times have microseconds, so that Events keep their order.

An Event that is repeated within minutes becomes a series of the first one, and each reason has a budget: whatever goes
wrong again and again does not flood the API server. Kept in memory: a new operator posts once more.
"""

import asyncio
import hashlib
import logging
import socket
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from serin_core.api.base import Json
from serin_core.contract import names
from serin_core.rollout.announcements import Announcement
from serin_operator.interfaces import ClusterError, ConflictError, Kubernetes, NotFoundError
from serin_operator.object_ref import ObjectRef

log = logging.getLogger(__name__)
SERIES: Final = timedelta(minutes=10)
"""An Event that is repeated within this time is counted in the series of the first one."""
BURST: Final = 25
"""Events of one reason that a resource may have at once."""
REFILL: Final = timedelta(minutes=2)
"""Time after which one more is allowed."""
PATIENCE: Final = 5.0
"""Seconds that the Events of one pass may take: an API server that hangs must not hold up a pass, or a shutdown."""
MAX_NOTE_BYTES: Final = 1024
_MAX_NAME: Final = 200
_MAX_KNOWN: Final = 4096
_INSTANCE: Final = socket.gethostname()[:128] or names.FIELD_MANAGER


@dataclass(frozen=True, slots=True)
class _Posted:
    name: str
    count: int
    at: datetime


@dataclass
class EventRecorder:
    """Posts Events. One that cannot be posted is only logged: the history in status holds the same."""

    cluster: Kubernetes
    patience: float = PATIENCE
    _posted: OrderedDict[tuple[str, str, str], _Posted] = field(default_factory=OrderedDict)
    _budgets: OrderedDict[tuple[str, str], tuple[float, datetime]] = field(default_factory=OrderedDict)

    async def post(self, ref: ObjectRef, announcements: Iterable[Announcement], now: datetime) -> None:
        """Post Events in the order of the announcements, as many as can be posted in time."""
        try:
            async with asyncio.timeout(self.patience):
                for index, announcement in enumerate(announcements):
                    await self._post_one(ref, announcement, now + timedelta(microseconds=index))
        except TimeoutError:
            log.warning("%s: Events not posted: no answer from the API server in %g s", ref, self.patience)

    async def _post_one(self, ref: ObjectRef, announcement: Announcement, at: datetime) -> None:
        if not self._may_post(ref, announcement.reason, at):
            log.warning("%s: too many Events of reason %s; one is not posted", ref, announcement.reason)
            return
        try:
            await self._post(ref, announcement, at)
        except ConflictError:
            return
        except ClusterError as error:
            log.warning("%s: Event not posted: %s", ref, error)

    async def _post(self, ref: ObjectRef, announcement: Announcement, at: datetime) -> None:
        key = (ref.uid, announcement.reason, announcement.message)
        known = self._posted.get(key)
        if known is not None and at - known.at < SERIES:
            again = _Posted(known.name, known.count + 1, at)
            try:
                series = {"count": again.count, "lastObservedTime": _text(at)}
                await self.cluster.repeat_event(ref.namespace, known.name, series)
            except NotFoundError:
                del self._posted[key]
            else:
                self._remember(key, again)
                return
        rendered = event(ref, announcement, at)
        await self.cluster.post_event(rendered)
        self._remember(key, _Posted(rendered["metadata"]["name"], 1, at))

    def _remember(self, key: tuple[str, str, str], posted: _Posted) -> None:
        self._posted[key] = posted
        self._posted.move_to_end(key)
        if len(self._posted) > _MAX_KNOWN:
            self._posted.popitem(last=False)

    def _may_post(self, ref: ObjectRef, reason: str, at: datetime) -> bool:
        key = (ref.uid, reason)
        left, since = self._budgets.pop(key, (float(BURST), at))
        left = min(left + max(at - since, timedelta()) / REFILL, float(BURST))
        self._budgets[key] = (left - 1 if left >= 1 else left, at)
        if len(self._budgets) > _MAX_KNOWN:
            self._budgets.popitem(last=False)
        return left >= 1


def event(ref: ObjectRef, announcement: Announcement, at: datetime) -> Json:
    """Render an Event. Names sort by time, since `kubectl describe` lists Events of this API by their names."""
    identity = f"{ref.uid}/{announcement.reason}/{announcement.message}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    microseconds = int(at.timestamp()) * 1_000_000 + at.microsecond
    return {
        "apiVersion": names.EVENTS_API,
        "kind": "Event",
        "metadata": {"name": f"{ref.name[:_MAX_NAME]}.{microseconds:016x}.{digest}", "namespace": ref.namespace},
        "eventTime": _text(at),
        "type": "Warning" if announcement.is_warning else "Normal",
        "reason": announcement.reason,
        "action": announcement.action,
        "note": _shortened(announcement.message),
        "regarding": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": ref.name,
            "namespace": ref.namespace,
            "uid": ref.uid,
            "resourceVersion": ref.resource_version,
        },
        "reportingController": names.FIELD_MANAGER,
        "reportingInstance": _INSTANCE,
    }


def _shortened(note: str) -> str:
    """Return a note of at most MAX_NOTE_BYTES bytes, which is the limit of the API server."""
    encoded = note.encode()
    if len(encoded) <= MAX_NOTE_BYTES:
        return note
    mark = " ..."
    return encoded[: MAX_NOTE_BYTES - len(mark)].decode(errors="ignore") + mark


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
