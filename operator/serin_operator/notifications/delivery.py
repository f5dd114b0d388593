"""Delivery of the notifications that status has, beside the decisions: one task for each destination.

A destination gets one notification at a time, and the next one only when a pass has recorded in status that the one
before was delivered. So a crash repeats one at most. What cannot be delivered is tried again after a growing delay and
holds up neither a decision nor another destination.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from serin_core.api.durations import format_duration
from serin_core.api.notifications import Notification, Notifications
from serin_core.rollout.destinations import DestinationsSeen, Report
from serin_operator.background import keep_running
from serin_operator.notifications.message import DeliveryError, Message, Sender
from serin_operator.notifications.metrics import NotificationMetrics
from serin_operator.notifications.settings import Destination
from serin_operator.object_ref import Key

log = logging.getLogger(__name__)
FIRST_RETRY: Final = 1.0
MAX_RETRY: Final = 300.0
_MAX_DOUBLINGS: Final = 16
FAILING_AFTER: Final = 3
"""Attempts after which a destination is reported as failing."""
MAX_REJECTIONS: Final = 10
"""Attempts after which a notification that the destination rejects is dropped; a quarter of an hour."""
RECORDED_WITHIN: Final = 30.0
"""Seconds to wait for a delivery to be recorded before the destination goes on with other resources."""


@dataclass(slots=True)
class _Lane:
    """What waits for one destination of one resource."""

    uid: str
    waiting: tuple[Notification, ...]
    dropped: int
    ended: Report | None = None
    """The end of a delivery that status does not have yet."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all destinations use."""

    wake: Callable[[Key], None]
    metrics: NotificationMetrics
    clock: Callable[[], datetime]
    first_retry: float
    may_send: Callable[[], bool]


class _Worker:
    """The task of one destination."""

    def __init__(
        self,
        name: str,
        settings: Destination,
        sender: Sender,
        shared: _Shared,
    ) -> None:
        self.name, self.settings, self.sender, self._shared = name, settings, sender, shared
        self.problem = ""
        """Why it is failing; "" while it is not."""
        self._lanes: dict[Key, _Lane] = {}
        self._changed = asyncio.Event()
        self._failures, self._retry_at = 0, 0.0
        self._rejected: tuple[str, int] = ("", 0)
        """The id of the last message that was rejected, and how often."""
        shared.metrics.expose(name)

    def update(self, key: Key, uid: str, found: Notifications) -> None:
        """Take over what status has."""
        waiting = tuple(one for one in found.waiting if self.name in one.to)
        known = self._lanes.pop(key, None)
        ended = known.ended if known is not None and known.uid == uid else None
        if ended is not None and not any(map(ended.concerns, waiting)):
            ended = None
        if waiting:
            self._lanes[key] = _Lane(uid, waiting, found.dropped.get(self.name, 0), ended)
        self._refresh()

    def forget(self, key: Key) -> None:
        """Forget a resource that was deleted."""
        self._lanes.pop(key, None)
        self._refresh()

    def report(self, key: Key, uid: str) -> Report | None:
        """Return the end of a delivery that status does not have yet."""
        lane = self._lanes.get(key)
        return None if lane is None or lane.uid != uid else lane.ended

    def waits(self, key: Key) -> bool:
        """Return whether something of a resource waits."""
        return key in self._lanes

    async def close(self) -> None:
        """Forget what waits, and close the connection."""
        self._lanes.clear()
        self._refresh()
        self._shared.metrics.failing_since.labels(self.name).set(0)
        await self.sender.close()

    def _refresh(self) -> None:
        self._shared.metrics.waiting.labels(self.name).set(sum(len(lane.waiting) for lane in self._lanes.values()))
        self._changed.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        time = asyncio.get_running_loop().time
        while True:
            found, delay = self._next(), self._retry_at - time()
            if found is not None and not self._shared.may_send():
                delay = max(delay, FIRST_RETRY)
            if found is not None and delay <= 0:
                await self._deliver(*found)
                continue
            await self._wait(delay if found is not None else None)

    def _next(self) -> tuple[Key, _Lane] | None:
        """Return where the oldest notification waits whose predecessor is recorded."""
        ready = [(lane.waiting[0].at, key) for key, lane in self._lanes.items() if lane.ended is None]
        if not ready:
            return None
        _, key = min(ready)
        return key, self._lanes[key]

    async def _wait(self, seconds: float | None) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _deliver(self, key: Key, lane: _Lane) -> None:
        head = lane.waiting[0]
        message = Message(key.namespace, key.name, lane.uid, self.name, head, lane.dropped)
        error = await self._attempt(message)
        report = Report(self.name, head.sequence, head.at)
        if error is None:
            self._succeed()
            await self._end(key, lane.uid, Report(self.name, head.sequence, head.at, told=lane.dropped))
            return
        self._fail(key, message, error)
        if why := self._gives_up(message, error):
            self._shared.metrics.attempts.labels(self.name, "dropped").inc()
            log.warning("%s: %s to %s is dropped: %s", key, head.kind, self.name, why)
            report = Report(self.name, head.sequence, head.at, given_up=why)
            await self._end(key, lane.uid, report)

    async def _attempt(self, message: Message) -> DeliveryError | None:
        seconds = self.settings.timeout_seconds
        try:
            with self._shared.metrics.seconds.labels(self.name).time():
                async with asyncio.timeout(seconds):
                    await self.sender.send(message)
        except TimeoutError:
            return DeliveryError(f"no response within {seconds:g} s")
        except DeliveryError as error:
            return error
        except Exception as error:
            # The text may have a secret. A destination that fails must not end the delivery to it.
            log.debug("%s", self.name, exc_info=True)
            return DeliveryError(f"internal error ({type(error).__name__})")
        return None

    def _succeed(self) -> None:
        self._shared.metrics.attempts.labels(self.name, "delivered").inc()
        self._shared.metrics.failing_since.labels(self.name).set(0)
        if self.problem:
            log.info("notifications to %s are delivered again", self.name)
        self._failures, self._retry_at, self.problem = 0, 0.0, ""

    def _fail(self, key: Key, message: Message, error: DeliveryError) -> None:
        self._shared.metrics.attempts.labels(self.name, "failed").inc()
        self._failures += 1
        if self._failures == 1:
            self._shared.metrics.failing_since.labels(self.name).set(self._shared.clock().timestamp())
        delay = min(self._shared.first_retry * 2.0 ** min(self._failures - 1, _MAX_DOUBLINGS), MAX_RETRY)
        self._retry_at = asyncio.get_running_loop().time() + delay * random.uniform(0.75, 1.25)  # noqa: S311 - jitter
        if error.is_rejection:
            rejected, times = self._rejected
            self._rejected = (message.id, times + 1 if rejected == message.id else 1)
        if self._failures == FAILING_AFTER:
            self.problem = str(error)
            log.warning("%s: notifications to %s fail: %s", key, self.name, error)
            for waiting in self._lanes:
                self._shared.wake(waiting)

    def _gives_up(self, message: Message, error: DeliveryError) -> str:
        """Return why a notification is not tried again; "" if it is."""
        if error.is_rejection and self._rejected == (message.id, MAX_REJECTIONS):
            return f"{error}, {MAX_REJECTIONS} times"
        oldest = timedelta(hours=self.settings.give_up_after_hours)
        is_too_old = self._shared.clock() - message.notification.at > oldest
        return f"{error}, for more than {format_duration(oldest)}" if is_too_old else ""

    async def _end(self, key: Key, uid: str, report: Report) -> None:
        """Hand the end of a delivery to the next pass, and wait until status has it."""
        lane = self._lanes.get(key)
        if lane is None or lane.uid != uid or not any(map(report.concerns, lane.waiting)):
            return
        lane.ended = report
        self._shared.wake(key)
        with suppress(TimeoutError):
            async with asyncio.timeout(RECORDED_WITHIN):
                while self.report(key, uid) is report:
                    await self._wait(None)


class Delivery:
    """Delivers to every destination of the configuration. `wake` asks for a pass of a resource.

    Nothing is sent while `may_send` returns False, as in a process that was stopped and does not lead any more.
    """

    def __init__(  # noqa: PLR0913 - its parts, by name
        self,
        destinations: Mapping[str, tuple[Destination, Sender]],
        *,
        wake: Callable[[Key], None],
        metrics: NotificationMetrics,
        clock: Callable[[], datetime],
        first_retry: float = FIRST_RETRY,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        shared = _Shared(wake, metrics, clock, first_retry, may_send)
        self._workers = [_Worker(name, settings, sender, shared) for name, (settings, sender) in destinations.items()]
        self._kinds = {worker.name: frozenset(worker.settings.kinds) for worker in self._workers}

    def seen(self, key: Key, uid: str) -> DestinationsSeen:
        """Return what the next pass has to know of the destinations."""
        reports = (worker.report(key, uid) for worker in self._workers)
        return DestinationsSeen(
            kinds=self._kinds,
            reports=tuple(report for report in reports if report is not None),
            failing={one.name: one.problem for one in self._workers if one.problem and one.waits(key)},
        )

    def update(self, key: Key, uid: str, found: Notifications) -> None:
        """Take over what the status in the cluster has; what it does not have is never sent."""
        for worker in self._workers:
            worker.update(key, uid, found)

    def forget(self, key: Key) -> None:
        """Forget a resource that was deleted, with what waits."""
        for worker in self._workers:
            worker.forget(key)

    async def run(self) -> None:
        """Deliver until cancelled."""
        await asyncio.gather(*(keep_running(f"notifications to {one.name}", one.run) for one in self._workers))

    async def close(self) -> None:
        """Forget what waits, and close the connections."""
        for worker in self._workers:
            await worker.close()
