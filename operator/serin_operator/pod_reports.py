"""Reports of the pods, read beside the passes: a pod that does not respond delays no pass for long.

A pass asks every pod, and waits until its request has ended. After a request without a report it waits a moment only:
the next request goes on in the background, and a report that arrives then queues the resource. Nothing is kept over a
restart.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from serin_core.contract.pod_report import PodReport
from serin_core.rollout.observation import NoAnswer
from serin_operator.background import BackgroundTasks
from serin_operator.interfaces import PodQuestion, Pods

log = logging.getLogger(__name__)

KeyT = TypeVar("KeyT")
TIMEOUT: Final = 2.0
"""Seconds after which a request has failed."""
PATIENCE: Final = 0.2
"""Seconds that a pass gives a pod whose last request brought no report."""


@dataclass(slots=True)
class _OfPod:
    last: PodReport | NoAnswer | None = None
    """Result of the last request that has ended."""
    is_awaited: bool = False
    """Whether a pass waits for the request under way, so that no other need be queued."""

    def time_left(self, waited: float) -> float | None:
        """Return the seconds that a pass goes on waiting, None for until the request has ended."""
        return max(PATIENCE - waited, 0.0) if isinstance(self.last, NoAnswer) else None

    def awaited(self) -> NoAnswer:
        """Return what is known of a pod whose request is under way."""
        before = f"{self.last.reason}; " if isinstance(self.last, NoAnswer) else ""
        return NoAnswer(f"{before}asked again, no response yet")


class PodReports(Generic[KeyT]):
    """Asks pods, each by one request at a time. `enqueue` is called for reports that no pass waits for."""

    def __init__(self, pods: Pods, *, enqueue: Callable[[KeyT], None]) -> None:
        self._pods, self._enqueue = pods, enqueue
        self._tasks: BackgroundTasks[KeyT] = BackgroundTasks()
        self._of: dict[KeyT, dict[str, _OfPod]] = {}

    async def read(self, key: KeyT, asked: Mapping[str, PodQuestion]) -> dict[str, PodReport | NoAnswer]:
        """Return the reports of all pods of a resource by the pods' uids; a pod that is not asked is forgotten.

        Each report is of a request that was sent after this call, so that it is not older than what the pass has read
        before. One that arrives for an earlier pass only queues the resource.
        """
        mine = self._of.setdefault(key, {})
        for uid in mine.keys() - asked.keys():
            self._tasks.cancel(key, uid)
            del mine[uid]
        if not asked:
            self.forget(key)
            return {}
        pods = {uid: mine.setdefault(uid, _OfPod()) for uid in asked}
        found = await asyncio.gather(*(self._read(key, uid, question, pods[uid]) for uid, question in asked.items()))
        return dict(zip(asked, found, strict=True))

    def forget(self, key: KeyT) -> None:
        """Drop everything of a resource that is gone."""
        self._tasks.forget(key)
        self._of.pop(key, None)

    async def close(self) -> None:
        """Cancel all requests."""
        await self._tasks.close()

    async def _read(self, key: KeyT, uid: str, question: PodQuestion, pod: _OfPod) -> PodReport | NoAnswer:
        time = asyncio.get_running_loop().time
        began, former = time(), self._tasks.get(key, uid)
        if former is not None:
            # It was sent before this pass has read the routing, so its report is not for this pass.
            await asyncio.wait((former,), timeout=pod.time_left(0))
            if not former.done():
                return pod.awaited()
        request = self._send(key, uid, question, pod)
        pod.is_awaited = True
        try:
            await asyncio.wait((request,), timeout=pod.time_left(time() - began))
        finally:
            pod.is_awaited = False
        return pod.last if request.done() and pod.last is not None else pod.awaited()

    def _send(self, key: KeyT, uid: str, question: PodQuestion, pod: _OfPod) -> asyncio.Task[None]:
        def done(found: PodReport | NoAnswer) -> None:
            pod.last = found
            if isinstance(found, PodReport) and not pod.is_awaited:
                self._enqueue(key)

        return self._tasks.start(key, uid, self._request(key, question), done)

    async def _request(self, key: KeyT, question: PodQuestion) -> PodReport | NoAnswer:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._pods.fetch_report(question)
        except TimeoutError:
            return NoAnswer(f"no response within {TIMEOUT:g} s")
        except Exception as error:
            log.exception("%s: the report of the pod at %s cannot be read", key, question.address)
            return NoAnswer(f"its report cannot be read: {type(error).__name__}")
