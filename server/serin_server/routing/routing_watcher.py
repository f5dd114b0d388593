"""Follows the routing that the operator mounts: reads it again whenever the directory or the pod's annotations change.

The kubelet swaps whole directories, so directories are watched, and looked at every second beside that. A document
that cannot be read, belongs to another resource or is older than one already served never replaces the one in use.
"""

import asyncio
import logging
from typing import Final

from watchfiles import awatch

from serin_core.contract.documents import DocumentError, RoutingDocument
from serin_core.contract.routing import Ignored, admit
from serin_server.metrics.counters import Counters, Refusal
from serin_server.routing.mounted_files import PodFiles, SeenRevision
from serin_server.routing.serving_state import Switch

_EVERY_MILLISECONDS: Final = 1000
_DEBOUNCE_MILLISECONDS: Final = 50
_STEP_MILLISECONDS: Final = 10

_log = logging.getLogger(__name__)


class RoutingFollower:
    """Brings what lies in the mounted directories into service."""

    def __init__(self, files: PodFiles, *, uid: str, seen: SeenRevision, switch: Switch, counters: Counters) -> None:
        self._files, self._uid, self._seen, self._switch, self._counters = files, uid, seen, switch, counters
        self._highest = seen.read()
        self._content: bytes | None = None
        self._document: RoutingDocument | None = None
        self._announced: int | None = None
        self._has_looked = False

    @property
    def has_looked(self) -> bool:
        """Answer whether it has been looked at least once."""
        return self._has_looked

    async def look(self) -> None:
        """Read both files once and serve what they say, if that is new and may be served."""
        self._has_looked = True
        announced, content = self._files.announced(), self._files.routing()
        document = self._document
        if content is not None and content != self._content:
            self._content = content
            document = self._admitted(content) or document
        if document is self._document and announced == self._announced:
            return
        if document is not None and document.revision > self._highest:
            await self._keep(document.revision)
        is_other = document is not self._document
        self._document, self._announced = document, announced
        self._switch.route_by(document, announced=announced)
        if is_other and document is not None:
            _log.info("routing %s", _describe(document))

    async def run(self) -> None:
        """Follow until cancelled."""
        changed = asyncio.Event()
        watching = asyncio.create_task(self._watch(changed))
        try:
            while True:
                await self.look()
                try:
                    async with asyncio.timeout(_EVERY_MILLISECONDS / 1000):
                        await changed.wait()
                except TimeoutError:
                    pass
                changed.clear()
        finally:
            watching.cancel()

    async def _watch(self, changed: asyncio.Event) -> None:
        directories = [self._files.routing_dir, self._files.pod_dir]
        try:
            async for _ in awatch(
                *(directory for directory in directories if directory.is_dir()),
                debounce=_DEBOUNCE_MILLISECONDS,
                step=_STEP_MILLISECONDS,
                recursive=False,
                watch_filter=None,
            ):
                changed.set()
        except (OSError, RuntimeError) as error:
            # Too many watches on this node, say. The look every second goes on.
            _log.warning("mounted directories cannot be watched, they are read every second: %s", error)

    def _admitted(self, content: bytes) -> RoutingDocument | None:
        try:
            document = RoutingDocument.parse(content)
        except DocumentError as error:
            self._refuse(Refusal.UNREADABLE, str(error))
            return None
        match admit(document, uid=self._uid, seen=self._highest):
            case None:
                return document
            case Ignored.OTHER_UID as why:
                self._refuse(Refusal.OTHER_UID, f"{why.value} ({document.uid})")
            case Ignored.LOWER_REVISION as why:
                self._refuse(Refusal.LOWER_REVISION, f"{why.value} ({document.revision} after {self._highest})")
        return None

    def _refuse(self, reason: Refusal, why: str) -> None:
        self._counters.refused[reason] += 1
        _log.warning("routing document not taken, the one in use stays: %s", why)

    async def _keep(self, revision: int) -> None:
        try:
            await asyncio.to_thread(self._seen.write, revision)
        except OSError as error:
            # A rollback must be served even where the disk is full.
            _log.warning("revision %d cannot be kept over a restart: %s", revision, error)
        self._highest = revision


def _describe(document: RoutingDocument) -> str:
    candidate, stable = document.candidate, document.stable
    trial = "none" if candidate is None else f"{candidate.run} at {candidate.percent:g} %"
    return (
        f"revision {document.revision}, stage {document.stage}: candidate {trial}, "
        f"stable {'rules' if stable is None else stable.run}"
    )
