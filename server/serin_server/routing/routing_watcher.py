"""Watches the routing document and the pod's annotations, and applies each change.

The kubelet replaces whole directories, so the directories are watched, and also read every second. A document that is
not valid, belongs to another resource or is older than one already served never replaces the one in use.
"""

import asyncio
import logging
from typing import Final

from watchfiles import awatch

from serin_core.contract.documents import DocumentError, NewerDocumentError, RoutingDocument
from serin_core.contract.routing import Ignored, admit
from serin_server.metrics.counters import Counters, Refusal
from serin_server.routing.mounted_files import PodFiles, SeenRevision
from serin_server.routing.serving_state import Switch

_EVERY_MILLISECONDS: Final = 1000
_DEBOUNCE_MILLISECONDS: Final = 50
_STEP_MILLISECONDS: Final = 10

_log = logging.getLogger(__name__)


class RoutingWatcher:
    """Applies the routing document in the mounted directory."""

    def __init__(self, files: PodFiles, *, uid: str, seen: SeenRevision, switch: Switch, counters: Counters) -> None:
        self._files, self._uid, self._seen, self._switch, self._counters = files, uid, seen, switch, counters
        self._highest = seen.read()
        self._content: bytes | None = None
        self._is_too_low = False
        """Whether the last document was rejected for its revision: another announcement may prove it right."""
        self._document: RoutingDocument | None = None
        self._announced: int | None = None
        self.has_checked = False
        """Whether the files have been read at least once."""

    async def check(self) -> None:
        """Read both files once, and apply a new document that may be served."""
        self.has_checked = True
        announced, content = self._files.announced(), self._files.routing()
        document = self._document
        is_tried_again = self._is_too_low and announced != self._announced
        if content is not None and (content != self._content or is_tried_again):
            self._content = content
            document = self._admitted(content, announced) or document
        if document is self._document and announced == self._announced:
            return
        if document is not None and document is not self._document and document.revision != self._highest:
            await self._keep(document.revision)
        is_new = document is not self._document
        self._document, self._announced = document, announced
        self._switch.set_routing(document, announced=announced)
        if is_new and document is not None:
            _log.info("routing %s", _describe(document))

    async def run(self) -> None:
        """Watch until cancelled."""
        changed = asyncio.Event()
        watching = asyncio.create_task(self._watch(changed))
        try:
            while True:
                await self.check()
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
            # For example, too many watches on this node. The files are still read every second.
            _log.warning("cannot watch the mounted directories, reading them every second: %s", error)

    def _admitted(self, content: bytes, announced: int | None) -> RoutingDocument | None:
        self._is_too_low = False
        try:
            document = RoutingDocument.parse(content)
        except NewerDocumentError as error:
            self._reject(Refusal.NEWER_VERSION, str(error))
            return None
        except DocumentError as error:
            self._reject(Refusal.UNREADABLE, str(error))
            return None
        match admit(document, uid=self._uid, seen=self._highest, announced=announced):
            case None:
                return document
            case Ignored.OTHER_UID as why:
                self._reject(Refusal.OTHER_UID, f"{why.value} ({document.uid})")
            case Ignored.LOWER_REVISION as why:
                self._is_too_low = True
                self._reject(Refusal.LOWER_REVISION, f"{why.value} ({document.revision} after {self._highest})")
        return None

    def _reject(self, reason: Refusal, why: str) -> None:
        self._counters.refused[reason] += 1
        _log.warning("routing document rejected, the current one stays in use: %s", why)

    async def _keep(self, revision: int) -> None:
        try:
            await asyncio.to_thread(self._seen.write, revision)
        except OSError as error:
            # A rollback must be served even where the disk is full.
            _log.warning("cannot write revision %d to the state directory: %s", revision, error)
        self._highest = revision


def _describe(document: RoutingDocument) -> str:
    candidate, stable = document.candidate, document.stable
    shown = "none" if candidate is None else f"{candidate.run} at {candidate.percent:g} %"
    return (
        f"revision {document.revision}, stage {document.stage}: candidate {shown}, "
        f"stable {'rules' if stable is None else stable.run}"
    )
