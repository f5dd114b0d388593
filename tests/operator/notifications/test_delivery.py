"""Delivery: in order, one at a time, again after a failure, and never in the way of anything else."""

import asyncio
import functools
from datetime import timedelta

import pytest
import virtual_time
from deliveries.bench import KEY, NOW, Bench, Scripted, notification, running, until

from serin_operator.background import PAUSE
from serin_operator.notifications.delivery import FAILING_AFTER, MAX_REJECTIONS
from serin_operator.notifications.message import DeliveryError, Message
from serin_operator.object_ref import Key

OTHER = Key("default", "other")
DOWN = DeliveryError("cannot connect")
REJECTED = DeliveryError("responded with HTTP 404", is_rejection=True)


def scenario(function):
    """Make a test of a scenario."""

    @functools.wraps(function)
    def test():
        running(function)

    # pytest would take the arguments of the scenario for fixtures.
    del test.__wrapped__
    return test


def kinds(messages):
    return [message.notification.kind for message in messages]


@scenario
async def test_everything_arrives_once_and_in_order():
    sender = Scripted()
    yield (bench := Bench({"team": sender}))
    bench.happen("StepAdvanced", "StepAdvanced", "Promoted")
    bench.happen("GateFailed")
    await until(lambda: not bench.statuses[KEY][1].waiting)
    assert kinds(sender.attempts) == ["StepAdvanced", "StepAdvanced", "Promoted", "GateFailed"]
    assert len({message.id for message in sender.attempts}) == 4
    assert bench.metric("s_total", destination="team", outcome="delivered") == 4
    assert bench.metric("s_waiting", destination="team") == 0


@scenario
async def test_the_next_one_is_not_sent_before_status_has_the_one_before():
    sender = Scripted()
    yield (bench := Bench({"team": sender}))
    bench.passes = False
    bench.happen("StepAdvanced", "Promoted")
    await until(lambda: bench.woken)
    bench.delivery.update(KEY, *bench.statuses[KEY])  # a pass that has not seen the delivery yet
    for _ in range(20):
        await until(lambda: True)
    assert kinds(sender.attempts) == ["StepAdvanced"]
    bench.passes = True
    bench.run_pass()
    await until(lambda: not bench.statuses[KEY][1].waiting)
    assert kinds(sender.attempts) == ["StepAdvanced", "Promoted"]


@scenario
async def test_a_failed_attempt_is_repeated_with_the_same_id():
    sender = Scripted(DOWN, RuntimeError("xoxb-secret"))
    yield (bench := Bench({"team": sender}))
    bench.happen("Promoted")
    await until(lambda: sender.delivered)
    assert len({message.id for message in sender.attempts}) == 1
    assert len(sender.attempts) == 3
    assert bench.metric("s_total", destination="team", outcome="failed") == 2


@scenario
async def test_a_destination_that_is_down_does_not_delay_another_one():
    down, up = Scripted(*[DOWN] * 1000), Scripted()
    yield (bench := Bench({"down": down, "up": up}, first_retry=1000.0))
    bench.happen("StepAdvanced", "Promoted")
    await until(lambda: [one.to for one in bench.statuses[KEY][1].waiting] == [("down",), ("down",)])
    assert kinds(up.delivered) == ["StepAdvanced", "Promoted"]
    assert len(down.attempts) == 1


@scenario
async def test_a_destination_that_fails_is_reported_and_so_is_its_recovery():
    sender = Scripted(*[DOWN] * FAILING_AFTER)
    yield (bench := Bench({"team": sender}))
    bench.happen("Promoted", key=OTHER, at=NOW + timedelta(seconds=1))
    bench.happen("Promoted")
    seen = []
    bench.run_pass = lambda key: seen.append((key, dict(bench.delivery.seen(key, "uid").failing)))
    await until(lambda: sender.delivered)
    assert {(key, *found.items()) for key, found in seen if found} == {
        (KEY, ("team", "cannot connect")),
        (OTHER, ("team", "cannot connect")),
    }
    assert bench.delivery.seen(OTHER, "uid").failing == {}
    assert bench.metric("s_failing_since_timestamp_seconds", destination="team") == 0


@scenario
async def test_the_time_since_which_a_destination_fails_is_a_metric():
    sender = Scripted(*[DOWN] * 10)
    yield (bench := Bench({"team": sender}, first_retry=1000.0))
    bench.happen("Promoted")
    await until(lambda: bench.metric("s_total", destination="team", outcome="failed"))
    assert bench.metric("s_failing_since_timestamp_seconds", destination="team") == NOW.timestamp()
    assert bench.metric("s_waiting", destination="team") == 1


@scenario
async def test_a_destination_that_hangs_fails_after_its_timeout():
    sender = Scripted("hang")
    yield (bench := Bench({"team": sender}, timeoutSeconds=0.01))
    bench.happen("Promoted")
    await until(lambda: sender.delivered)
    assert bench.metric("s_total", destination="team", outcome="failed") == 1


@scenario
async def test_what_is_rejected_again_and_again_is_dropped_and_the_next_one_says_so():
    sender = Scripted(*[REJECTED] * MAX_REJECTIONS)
    yield (bench := Bench({"team": sender}))
    bench.happen("StepAdvanced", "Promoted", "GateFailed")
    await until(lambda: not bench.statuses[KEY][1].waiting)
    assert kinds(sender.delivered) == ["Promoted", "GateFailed"]
    assert [message.dropped for message in sender.delivered] == [1, 0]
    assert "1 earlier notifications to team were dropped." in sender.delivered[0].body
    assert bench.statuses[KEY][1].dropped == {}
    assert bench.metric("s_total", destination="team", outcome="dropped") == 1


@scenario
async def test_what_is_older_than_a_day_is_dropped_after_one_more_attempt():
    sender = Scripted(DOWN)
    yield (bench := Bench({"team": sender}, clock=lambda: NOW + timedelta(hours=25)))
    bench.happen("StepAdvanced")
    bench.happen("Promoted", at=NOW + timedelta(hours=24))
    await until(lambda: not bench.statuses[KEY][1].waiting)
    assert (kinds(sender.attempts), kinds(sender.delivered)) == (["StepAdvanced", "Promoted"], ["Promoted"])


def test_the_age_of_what_is_dropped_is_written_like_any_duration(caplog):
    async def scenario():
        bench = Bench({"team": Scripted(DOWN)}, clock=lambda: NOW + timedelta(hours=37), giveUpAfterHours=36)
        yield bench
        bench.happen("StepAdvanced")
        await until(lambda: not bench.statuses[KEY][1].waiting)

    running(scenario)
    assert "StepAdvanced to team is dropped: cannot connect, for more than 36h" in caplog.text


def test_a_bug_stops_one_destination_for_a_moment_and_no_other():
    class FailsOnce(Bench):
        failures = 0

        def _wake(self, key):
            self.failures += 1
            if self.failures == 1:
                raise RuntimeError("a bug")
            super()._wake(key)

    async def scenario():
        senders = {"team": Scripted(), "other": Scripted()}
        bench = FailsOnce(senders)
        task = asyncio.create_task(bench.delivery.run())
        bench.happen("StepAdvanced", "Promoted")
        await asyncio.sleep(PAUSE / 2)
        assert kinds(senders["team"].delivered) == ["StepAdvanced"]
        assert kinds(senders["other"].delivered) == ["StepAdvanced", "Promoted"]
        await asyncio.sleep(PAUSE)
        assert kinds(senders["team"].delivered) == ["StepAdvanced", "Promoted"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtual_time.run(scenario())


def test_an_operator_that_does_not_lead_sends_nothing():
    async def scenario():
        sender = Scripted()
        bench = Bench({"team": sender})
        bench.leads = False
        delivering = asyncio.create_task(bench.delivery.run())
        bench.happen("Promoted")
        await asyncio.sleep(30)
        found = list(sender.attempts)
        bench.leads = True
        await asyncio.sleep(2)
        delivering.cancel()
        return found, kinds(sender.attempts)

    assert virtual_time.run(scenario()) == ([], ["Promoted"])


@scenario
async def test_a_delivery_that_ends_has_nothing_waiting():
    sender = Scripted(*[DOWN] * FAILING_AFTER)
    yield (bench := Bench({"team": sender}, first_retry=100))
    bench.happen("Promoted")
    await until(lambda: bench.metric("s_failing_since_timestamp_seconds", destination="team"))
    await bench.delivery.close()
    assert bench.metric("s_waiting", destination="team") == 0
    assert bench.metric("s_failing_since_timestamp_seconds", destination="team") == 0
    assert sender.closed


@scenario
async def test_a_deleted_resource_and_its_namesake_are_two():
    sender = Scripted(*[DOWN] * 3)
    yield (bench := Bench({"team": sender}))
    bench.happen("StepAdvanced")
    await until(lambda: sender.attempts)
    bench.delivery.forget(KEY)
    del bench.statuses[KEY]
    bench.happen("Promoted", uid="another")
    await until(lambda: not bench.statuses[KEY][1].waiting)
    assert kinds(sender.delivered) == ["Promoted"]
    assert sender.delivered[0].uid == "another"


@scenario
async def test_a_notification_that_leaves_status_while_it_is_sent_is_not_reported():
    sender = Scripted("hang")
    yield (bench := Bench({"team": sender}, timeoutSeconds=0.05))
    bench.happen("StepAdvanced")
    await sender.attempted.wait()
    bench.delivery.forget(KEY)
    await until(lambda: bench.metric("s_total", destination="team", outcome="failed"))
    assert bench.delivery.seen(KEY, "uid").reports == ()
    assert bench.woken == []


@scenario
async def test_resources_take_turns_by_the_age_of_what_waits():
    sender = Scripted()
    yield (bench := Bench({"team": sender}))
    bench.happen("GateFailed", key=OTHER, at=NOW + timedelta(seconds=5))
    bench.happen("StepAdvanced", "Promoted")
    await until(lambda: len(sender.delivered) == 3)
    assert kinds(sender.delivered) == ["StepAdvanced", "Promoted", "GateFailed"]


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({}, ["GateFailed: agreement 60 %", "Run: run_b", "Time: 2026-01-01 00:00:00 UTC"]),
        ({"by": "ada", "run_id": ""}, ["GateFailed: agreement 60 %", "By: ada", "Time: 2026-01-01 00:00:00 UTC"]),
    ],
)
def test_a_message_says_what_happened_to_which_run_and_by_whom(more, lines):
    one = notification(message="GateFailed: agreement 60 %", **{"run_id": "run_b", **more})
    message = Message("transactions", "categories", "uid", "team", one)
    assert message.title == "transactions/categories: GateFailed"
    assert message.body.splitlines() == lines
