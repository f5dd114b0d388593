"""Applies the routing document: that in the mounted directory, and that which the operator sends (rule 18).

The kubelet replaces whole directories, so the directories are watched, and also read every second. A document that is
not valid, belongs to another resource or is older than one already served never replaces the one in use.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from watchfiles import awatch

from serin_core.contract.documents import DocumentError, NewerDocumentError, RoutingDocument
from serin_core.contract.pushed_routing import PushedRouting
from serin_core.contract.routing import Ignored, admit, announced_by
from serin_core.model.signing import is_signed
from serin_server.metrics.counters import Counters, Refusal
from serin_server.routing.mounted_files import PodFiles, SeenRevision
from serin_server.routing.pushed_file import PushedFile
from serin_server.routing.serving_state import Switch

_EVERY_MILLISECONDS: Final = 1000
_DEBOUNCE_MILLISECONDS: Final = 50
_STEP_MILLISECONDS: Final = 10

_log = logging.getLogger(__name__)


class ForgedPushError(ValueError):
    """Routing that was sent to this pod, and not signed by its operator."""


class NoRoutingKeyError(ValueError):
    """Routing was sent to a pod that cannot verify whose it is."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose documents are applied."""

    uid: str
    """Uid of the resource that they must name."""
    routing_key: str = ""
    """The operator's public key in PEM. Without one, only mounted documents are applied."""


class RoutingWatcher:
    """Applies the routing documents of the operator, whichever way they arrive."""

    def __init__(
        self,
        files: PodFiles,
        *,
        source: Source,
        seen: SeenRevision,
        switch: Switch,
        counters: Counters,
    ) -> None:
        self._files, self._source, self._seen, self._switch, self._counters = files, source, seen, switch, counters
        self._kept = PushedFile(seen.directory)
        self._highest = seen.read()
        self._content: bytes | None = None
        self._is_too_low = False
        """Whether the mounted document was rejected for its revision: another announcement may prove it right."""
        self._document: RoutingDocument | None = None
        self._annotation: int | None = None
        self._pushed: PushedRouting | None = None
        """What the operator sent last, to any process of this pod; also if it was ignored."""
        self._is_unusable = False
        """Whether it will be ignored each time that it is sent."""
        self._pushed_revision: int | None = None
        """The highest revision of those that were accepted."""
        self._changing = asyncio.Lock()
        self.refusal = ""
        """Why the document that arrived last cannot be read, "" if it can."""
        self.has_checked = False
        """Whether the files have been read at least once."""

    @property
    def routing_key(self) -> str:
        """Public key by which a document must be signed that is sent to this process, "" if none is accepted."""
        return self._source.routing_key

    async def check(self) -> None:
        """Read the files once, and apply a new document that may be served."""
        self.has_checked = True
        async with self._changing:
            if self.routing_key:
                await self._check_kept()
            await self._check_mounted()

    async def receive(self, pushed: PushedRouting) -> None:
        """Apply a document that was sent to this process, if it may be served.

        Raises ForgedPushError, NoRoutingKeyError.
        """
        if not self.routing_key:
            raise NoRoutingKeyError("this pod has no key of an operator (SERIN_ROUTING_KEY), and accepts no routing")
        if pushed == self._pushed and (self._is_unusable or self._serves(pushed)):
            return
        if not self._is_genuine(pushed):
            self._counters.refused[Refusal.SIGNATURE] += 1
            raise ForgedPushError("the document is not signed by the operator of this pod; it is ignored")
        async with self._changing:
            # Another process may have been sent a newer one since this process last read it.
            await self._check_kept()
            if await self._accept(pushed):
                await self._keep(pushed)

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

    async def _check_mounted(self) -> None:
        annotation, content = self._files.announced(), self._files.routing()
        is_announced, self._annotation = annotation != self._annotation, annotation
        document = None
        if content is not None and (content != self._content or (self._is_too_low and is_announced)):
            self._content = content
            document, refusal = self._admitted(content)
            self._is_too_low = refusal is Refusal.LOWER_REVISION
        await self._apply(document, is_announced=is_announced)

    async def _check_kept(self) -> None:
        """Apply what another process of this pod was sent, or the container before this one."""
        pushed = self._kept.read()
        if pushed is None or pushed == self._pushed or not self._is_genuine(pushed):
            return
        self._pushed = pushed
        try:
            revision = RoutingDocument.parse(pushed.document).revision
        except DocumentError:
            return  # a newer version of the server has kept it
        # After a restart it may be older than the mounted one, which is no reason for a warning.
        if revision >= self._highest:
            await self._accept(pushed)

    async def _accept(self, pushed: PushedRouting) -> bool:
        """Apply a document that the operator has signed; return whether it is served."""
        self._pushed = pushed
        document, refusal = self._admitted(pushed.document.encode())
        self._is_unusable = refusal not in (None, Refusal.LOWER_REVISION)
        if document is None:
            return False
        self._pushed_revision = document.revision
        await self._apply(document, is_announced=True)
        return True

    async def _apply(self, document: RoutingDocument | None, *, is_announced: bool) -> None:
        """Serve a document that was admitted, None for the one in use, with what was announced."""
        is_new = document is not None and document != self._document
        if not is_new and not is_announced:
            return
        if document is not None and document.revision != self._highest:
            await self._keep_revision(document.revision)
        self._document = document or self._document
        self._switch.set_routing(self._document, announced=self._announced)
        if is_new and document is not None:
            _log.info("routing %s", _describe(document))

    @property
    def _announced(self) -> int | None:
        return announced_by(self._annotation, pushed=self._pushed_revision)

    def _serves(self, pushed: PushedRouting) -> bool:
        return self._document is not None and self._document.text() == pushed.document

    def _is_genuine(self, pushed: PushedRouting) -> bool:
        return is_signed(pushed.document.encode(), pushed.signature_bytes, self.routing_key.encode())

    def _admitted(self, content: bytes) -> tuple[RoutingDocument | None, Refusal | None]:
        """Return a document that may be served, or why it is rejected."""
        try:
            document = RoutingDocument.parse(content)
        except DocumentError as error:
            self.refusal = str(error)
            is_newer = isinstance(error, NewerDocumentError)
            return None, self._reject(Refusal.NEWER_VERSION if is_newer else Refusal.UNREADABLE, self.refusal)
        self.refusal = ""
        match admit(document, uid=self._source.uid, seen=self._highest, announced=self._announced):
            case None:
                return document, None
            case Ignored.OTHER_UID as why:
                return None, self._reject(Refusal.OTHER_UID, f"{why.value} ({document.uid})")
            case Ignored.LOWER_REVISION as why:
                text = f"{why.value} ({document.revision} after {self._highest})"
                return None, self._reject(Refusal.LOWER_REVISION, text)

    def _reject(self, reason: Refusal, why: str) -> Refusal:
        self._counters.refused[reason] += 1
        _log.warning("routing document rejected, the current one stays in use: %s", why)
        return reason

    async def _keep_revision(self, revision: int) -> None:
        try:
            await asyncio.to_thread(self._seen.write, revision)
        except OSError as error:
            # A rollback must be served even where the disk is full.
            _log.warning("cannot write revision %d to the state directory: %s", revision, error)
        self._highest = revision

    async def _keep(self, pushed: PushedRouting) -> None:
        try:
            await asyncio.to_thread(self._kept.write, pushed)
        except OSError as error:
            _log.warning("cannot write the routing that was sent here to the state directory: %s", error)


def _describe(document: RoutingDocument) -> str:
    candidate, stable = document.candidate, document.stable
    shown = "none" if candidate is None else f"{candidate.run} at {candidate.percent:g} %"
    return (
        f"revision {document.revision}, stage {document.stage}: candidate {shown}, "
        f"stable {'rules' if stable is None else stable.run}"
    )
