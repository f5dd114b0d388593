"""Delivery beside a status that lives in memory, and destinations that do what a test says."""

import asyncio
from datetime import UTC, datetime

from models.parts import spec
from prometheus_client import CollectorRegistry

from serin_core.api.notifications import Notification, Notifications
from serin_core.rollout.destinations import settle
from serin_operator.notifications.delivery import Delivery
from serin_operator.notifications.metrics import NotificationMetrics
from serin_operator.notifications.settings import Destination
from serin_operator.object_ref import Key

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Key("default", "categories")
RUN = "run_aaaaaaaa_1"


def destination(**more):
    return Destination.model_validate({"cloudEvents": {"url": "http://receiver"}, **more})


def notification(**more):
    return Notification.model_validate({"sequence": 1, "at": NOW, "kind": "GateFailed", "message": "x", **more})


class Scripted:
    """Implements message.Sender: each attempt ends as `outcomes` says, and with success when they are used up."""

    def __init__(self, *outcomes):
        self.outcomes, self.attempts, self.delivered = list(outcomes), [], []
        self.attempted = asyncio.Event()

    async def send(self, message):
        self.attempts.append(message)
        self.attempted.set()
        await asyncio.sleep(0)  # other tasks go on, as while a request is under way
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        if outcome == "hang":
            await asyncio.Event().wait()
        self.delivered.append(message)

    async def close(self):
        self.closed = True


class Bench:
    """A delivery to these destinations. Each pass that it asks for is run at once, unless `passes` is off."""

    def __init__(self, senders, *, first_retry=0.0001, clock=lambda: NOW, **settings):
        self.senders, self.statuses, self.woken, self.passes = senders, {}, [], True
        self.leads = True
        self.registry = CollectorRegistry()
        self.delivery = Delivery(
            {name: (destination(**settings), sender) for name, sender in senders.items()},
            wake=self._wake,
            metrics=NotificationMetrics(self.registry),
            clock=clock,
            first_retry=first_retry,
            may_send=lambda: self.leads,
        )

    def _wake(self, key):
        self.woken.append(key)
        if self.passes:
            asyncio.get_running_loop().call_soon(self.run_pass, key)

    def run_pass(self, key=KEY):
        uid, found = self.statuses[key]
        settled = settle(found, spec(RUN, notifications=list(self.senders)), self.delivery.seen(key, uid))
        self.statuses[key] = uid, settled
        self.delivery.update(key, uid, settled)

    def happen(self, *kinds, key=KEY, uid="uid", at=NOW):
        _, found = self.statuses.get(key, (uid, Notifications()))
        new = tuple(
            Notification(sequence=number, at=at, kind=kind, message=f"{kind} of {RUN}", to=tuple(self.senders))
            for number, kind in enumerate(kinds, found.sequence + 1)
        )
        changed = found.changed(
            waiting=(*found.waiting, *new), dropped=found.dropped, sequence=found.sequence + len(new)
        )
        self.statuses[key] = uid, changed
        self.delivery.update(key, uid, changed)

    def metric(self, name, **labels):
        return self.registry.get_sample_value(f"serin_operator_notification{name}", labels)


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


def running(scenario):
    """Run a scenario beside `bench.delivery.run()`; `scenario` makes the bench and yields once it is set up."""

    async def main():
        steps = scenario()
        bench = await anext(steps)
        task = asyncio.create_task(bench.delivery.run())
        try:
            async for _ in steps:
                pass
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
