"""Requests that are under way: none blocks a reconcile, none is made twice, and late answers are dropped."""

import asyncio
from datetime import UTC, datetime, timedelta

from memory_cluster import KEY

from serin_core.api.check_status import CheckStatus, CheckVerdict
from serin_core.rollout.checks import CheckCall
from serin_operator.check_caller import CheckCaller
from serin_operator.metrics import OperatorMetrics

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def call(one="1", number=1, timeout=None):
    return CheckCall(id=one, name="smoke", number=number, endpoint="ci", timeout=timeout, document={"id": one})


def waiting(one="1", answers=0):
    return CheckStatus(name="smoke", endpoint="ci", id=one, before=10, since=NOW, answers=answers)


class Client:
    """Responds when the test allows it."""

    names = frozenset({"ci"})

    def __init__(self):
        self.asked, self.cancelled, self.answer = [], [], asyncio.Event()

    async def ask(self, endpoint, document, *, seconds):
        self.asked.append((endpoint, document["id"], seconds))
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            self.cancelled.append(document["id"])
            raise
        return CheckVerdict.PASS, "fine"


def run(scenario):
    async def runs():
        client, queued = Client(), []
        caller = CheckCaller(client, enqueue=queued.append, clock=lambda: NOW)
        await scenario(caller, client, queued)
        await caller.close()

    asyncio.run(runs())


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_request_is_made_once_however_often_a_decision_asks_for_it():
    async def scenario(caller, client, queued):
        for _ in range(3):
            caller.update(KEY, [call(timeout=timedelta(seconds=30))], [waiting()])
            await settle()
        assert client.asked == [("ci", "1", 30.0)]
        assert (queued, caller.answers(KEY)) == ([], ())

    run(scenario)


def test_an_answer_queues_the_resource_and_stays_until_a_status_has_it():
    async def scenario(caller, client, queued):
        caller.update(KEY, [call()], [waiting()])
        client.answer.set()
        await settle()
        assert queued == [KEY]
        for _ in range(2):
            (answer,) = caller.answers(KEY)
            assert (answer.id, answer.number, answer.verdict, answer.message) == ("1", 1, CheckVerdict.PASS, "fine")
        # A pass whose status was not written asks again: nothing is sent twice.
        caller.update(KEY, [call()], [waiting()])
        await settle()
        assert len(client.asked) == 1
        assert len(caller.answers(KEY)) == 1
        caller.update(KEY, [], [waiting(answers=1)])
        assert caller.answers(KEY) == ()

    run(scenario)


def test_each_request_is_recorded_with_its_outcome():
    async def runs():
        metrics = OperatorMetrics(lambda: 0)
        client = Client()
        caller = CheckCaller(client, enqueue=lambda _key: None, clock=lambda: NOW, record=metrics.checks.record)
        metrics.checks.expose(client.names)
        client.answer.set()
        caller.update(KEY, [call()], [waiting()])
        await settle()
        return metrics.registry

    registry = asyncio.run(runs())
    count = "serin_operator_check_requests_total"
    assert registry.get_sample_value(count, {"endpoint": "ci", "outcome": "Pass"}) == 1
    assert registry.get_sample_value(count, {"endpoint": "ci", "outcome": "error"}) == 0
    assert registry.get_sample_value("serin_operator_check_request_duration_seconds_count", {"endpoint": "ci"}) == 1


def test_what_is_not_asked_any_more_is_cancelled():
    async def scenario(caller, client, queued):
        caller.update(KEY, [call("1")], [waiting("1")])
        await settle()
        caller.update(KEY, [call("2")], [waiting("2")])
        await settle()
        assert client.cancelled == ["1"]
        client.answer.set()
        await settle()
        assert [answer.id for answer in caller.answers(KEY)] == ["2"]
        assert queued == [KEY]

    run(scenario)


def test_a_resource_that_is_gone_is_forgotten():
    async def scenario(caller, client, queued):
        caller.update(KEY, [call()], [waiting()])
        await settle()
        caller.forget(KEY)
        client.answer.set()
        await settle()
        assert client.cancelled == ["1"]
        assert (queued, caller.answers(KEY)) == ([], ())

    run(scenario)


def test_another_request_follows_an_answer_that_holds():
    async def scenario(caller, client, _queued):
        client.answer.set()
        caller.update(KEY, [call()], [waiting()])
        await settle()
        caller.update(KEY, [call(number=2)], [waiting(answers=1)])
        await settle()
        assert len(client.asked) == 2
        assert [answer.number for answer in caller.answers(KEY)] == [2]

    run(scenario)


def test_a_request_that_ended_by_a_bug_is_made_again():
    async def scenario(caller, client, _queued):
        async def broken(*_args, **_kwargs):
            client.asked.append("broken")
            raise RuntimeError("a bug")

        client.ask = broken
        for _ in range(2):
            caller.update(KEY, [call()], [waiting()])
            await settle()
        assert len(client.asked) == 2

    run(scenario)


def test_nothing_is_kept_of_a_resource_without_checks():
    async def scenario(caller, client, _queued):
        caller.update(KEY, [], [])
        assert client.asked == []
        assert caller.answers(KEY) == ()

    run(scenario)
