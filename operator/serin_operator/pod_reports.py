"""Reports of the pods, read beside the passes: a pod that does not respond delays no pass for long.

A pass asks every pod, and waits until its request has ended. After a request without a report it waits a moment only:
the next request goes on in the background, and a report that arrives then queues the resource. Nothing is kept over a
restart.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar

from serin_core.contract.pod_report import PodReport, RunQuality
from serin_core.rollout.observation import NoAnswer
from serin_operator.background import BackgroundTasks
from serin_operator.interfaces import PodQuestion, Pods

log = logging.getLogger(__name__)

KeyT = TypeVar("KeyT")
TIMEOUT: Final = 2.0
"""Seconds after which a request has failed."""
PATIENCE: Final = 0.2
"""Seconds that a pass gives a pod whose last request brought no report."""
MAX_KNOWN: Final = 8
"""Runs of a resource whose quality is kept: a pod template names at most three, and there may be two templates."""


@dataclass(slots=True)
class _OfPod:
    last: PodReport | NoAnswer | None = None
    """Result of the last request that has ended."""
    is_awaited: bool = False
    """Whether a pass waits for the request under way, so that no other need be queued."""

    def time_left(self, waited: float) -> float | None:
        """Return the seconds that a pass goes on waiting, None for until the request has ended."""
        return max(PATIENCE - waited, 0.0) if isinstance(self.last, NoAnswer) else None

    def accepts(self, key_id: str) -> bool:
        """Return whether its server may accept routing that is signed by this key; one of an older version does not."""
        return not isinstance(self.last, PodReport) or self.last.routing_key == key_id

    def awaited(self) -> NoAnswer:
        """Return what is known of a pod whose request is under way."""
        before = f"{self.last.reason}; " if isinstance(self.last, NoAnswer) else ""
        return NoAnswer(f"{before}asked again, no response yet")


@dataclass(slots=True)
class _OfResource:
    pods: dict[str, _OfPod] = field(default_factory=dict)
    known: dict[str, RunQuality] = field(default_factory=dict)
    """Quality of runs by digest: pods report it once, and then leave it out."""

    def completed(self, report: PodReport, known: Mapping[str, RunQuality]) -> PodReport:
        """Return a report with what its pod left out, and keep what it did not."""
        found = report.with_quality(known)
        self.known |= found.quality()
        for digest in tuple(self.known)[:-MAX_KNOWN]:
            del self.known[digest]
        return found


class PodReports(Generic[KeyT]):
    """Asks pods, each by one request at a time. `enqueue` is called for reports that no pass waits for."""

    def __init__(self, pods: Pods, *, enqueue: Callable[[KeyT], None]) -> None:
        self._pods, self._enqueue = pods, enqueue
        self._tasks: BackgroundTasks[KeyT] = BackgroundTasks()
        self._of: dict[KeyT, _OfResource] = {}

    async def read(self, key: KeyT, asked: Mapping[str, PodQuestion]) -> dict[str, PodReport | NoAnswer]:
        """Return the reports of all pods of a resource by the pods' uids; a pod that is not asked is forgotten.

        Each report is of a request that was sent after this call, so that it is not older than what the pass has read
        before. One that arrives for an earlier pass only queues the resource.
        """
        if not asked:
            self.forget(key)
            return {}
        mine = self._of.setdefault(key, _OfResource())
        for uid in mine.pods.keys() - asked.keys():
            self._tasks.cancel(key, uid)
            del mine.pods[uid]
        found = await asyncio.gather(*(self._read(key, uid, question, mine) for uid, question in asked.items()))
        reports = [one for one in found if isinstance(one, PodReport)]
        if len(reports) == len(found):
            mine.known = {digest: quality for one in reports for digest, quality in one.quality().items()}
        return dict(zip(asked, found, strict=True))

    def forget(self, key: KeyT) -> None:
        """Drop everything of a resource that is gone."""
        self._tasks.forget(key)
        self._of.pop(key, None)

    async def close(self) -> None:
        """Cancel all requests."""
        await self._tasks.close()

    async def _read(self, key: KeyT, uid: str, question: PodQuestion, mine: _OfResource) -> PodReport | NoAnswer:
        pod = mine.pods.setdefault(uid, _OfPod())
        time = asyncio.get_running_loop().time
        began, former = time(), self._tasks.get(key, uid)
        if former is not None:
            # It was sent before this pass has read the routing, so its report is not for this pass.
            await asyncio.wait((former,), timeout=pod.time_left(0))
            if not former.done():
                return pod.awaited()
        request = self._send(key, uid, question, mine)
        pod.is_awaited = True
        try:
            await asyncio.wait((request,), timeout=pod.time_left(time() - began))
        finally:
            pod.is_awaited = False
        return pod.last if request.done() and pod.last is not None else pod.awaited()

    def _send(self, key: KeyT, uid: str, question: PodQuestion, mine: _OfResource) -> asyncio.Task[None]:
        pod, known = mine.pods[uid], dict(mine.known)

        def done(found: PodReport | NoAnswer) -> None:
            pod.last = mine.completed(found, known) if isinstance(found, PodReport) else found
            if isinstance(found, PodReport) and not pod.is_awaited:
                self._enqueue(key)

        push = question.push if pod.accepts(question.key_id) else None
        asked = replace(question, known_digests=tuple(known), push=push)
        return self._tasks.start(key, uid, self._request(key, asked), done)

    async def _request(self, key: KeyT, question: PodQuestion) -> PodReport | NoAnswer:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._pods.fetch_report(question)
        except TimeoutError:
            return NoAnswer(f"no response within {TIMEOUT:g} s")
        except Exception as error:
            log.exception("%s: the report of the pod at %s cannot be read", key, question.address)
            return NoAnswer(f"its report cannot be read: {type(error).__name__}")
