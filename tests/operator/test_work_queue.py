import asyncio
import logging
from datetime import timedelta

import pytest

from serin_operator.logs import add_reconcile_id
from serin_operator.work_queue import MAX_TOGETHER, Result, WorkQueue, work


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def queue():
    clock = Clock()
    return WorkQueue(clock=clock), clock


def test_a_key_added_twice_is_worked_on_once():
    todo, _ = queue()
    todo.add("a")
    todo.add("a")
    assert todo.take() == "a"
    assert todo.take() is None


def test_a_key_is_never_worked_on_twice_at_once_but_once_more_afterwards():
    todo, _ = queue()
    todo.add("a")
    assert todo.take() == "a"
    todo.add("a")
    assert todo.take() is None
    todo.done("a")
    assert todo.take() == "a"
    todo.done("a")
    assert todo.take() is None


def test_a_delayed_key_comes_when_it_is_due():
    todo, clock = queue()
    todo.add_after("a", 10)
    assert todo.take() is None
    clock.now = 10.0
    assert todo.take() == "a"


def test_the_earlier_of_two_delays_counts_and_the_later_is_forgotten():
    todo, clock = queue()
    todo.add_after("a", 10)
    todo.add_after("a", 2)
    todo.add_after("a", 50)
    clock.now = 3.0
    assert todo.take() == "a"
    todo.done("a")
    clock.now = 100.0
    assert todo.take() is None


def test_adding_a_key_overtakes_its_delay():
    todo, clock = queue()
    todo.add_after("a", 10)
    todo.add("a")
    assert todo.take() == "a"
    todo.done("a")
    clock.now = 20.0
    assert todo.take() is None


def test_a_delay_of_a_key_that_was_added_meanwhile_is_not_waited_for():
    todo, clock = queue()
    todo.add("a")
    todo.take()
    todo.add("a")
    todo.done("a")
    todo.add_after("a", 10)
    assert todo.take() == "a"
    todo.done("a")
    clock.now = 11.0
    assert todo.take() is None


def test_failures_wait_longer_each_time_up_to_a_bound_and_are_forgotten():
    todo, _ = queue()
    delays = [todo.retry_delay("a") for _ in range(100)]
    assert 0.05 < delays[0] < 0.2
    assert 45 < delays[-1] <= 75
    todo.forget_failures("a")
    assert todo.retry_delay("a") < 0.2


def test_what_does_not_settle_waits_longer_each_time_but_never_beyond_its_requeue_time():
    todo, _ = queue()
    waits = [todo.requeue_delay("a", Result("refused", None, is_settled=False)) for _ in range(20)]
    assert waits[0] < 0.2
    assert waits[-1] > 45
    assert todo.requeue_delay("a", Result("refused", timedelta(seconds=1), is_settled=False)) == 1.0
    assert todo.requeue_delay("a", Result("changed", timedelta(seconds=30))) == 30.0
    assert todo.requeue_delay("a", Result("refused", None, is_settled=False)) < 0.2


def run_until_idle(todo, handle, *, workers, **settings):
    async def main():
        tasks = [asyncio.create_task(work(todo, handle, deadline=1, **settings)) for _ in range(workers)]
        for _ in range(50):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_a_key_that_fails_does_not_stop_the_others_and_comes_back():
    todo, clock = queue()
    worked = []

    async def handle(key):
        worked.append(key)
        if key == "bad":
            raise RuntimeError("no")
        return Result("unchanged", None)

    todo.add("bad")
    todo.add("good")
    failures = []
    run_until_idle(todo, handle, workers=1, on_failure=lambda key, error: failures.append((key, str(error))))
    assert worked == ["bad", "good"]
    assert failures == [("bad", "no")]
    clock.now = 1.0
    assert todo.take() == "bad"


@pytest.mark.parametrize(("named", "waited"), [(30, 30), (3600, 60)])
def test_a_key_that_failed_waits_as_long_as_the_error_asks_for_and_no_longer_than_a_minute(named, waited):
    todo, clock = queue()

    async def handle(_key):
        raise RuntimeError("busy")

    todo.add("a")
    run_until_idle(todo, handle, workers=1, retry_after=lambda _error: named)
    clock.now = waited - 0.1
    assert todo.take() is None
    clock.now = waited
    assert todo.take() == "a"


def test_workers_are_bounded_and_no_key_overlaps_itself():
    todo, _ = queue()
    running, most, overlapped = set(), 0, False

    async def handle(key):
        nonlocal most, overlapped
        overlapped |= key in running
        running.add(key)
        most = max(most, len(running))
        todo.add(key) if len(running) == 1 and key == "a" else None
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.discard(key)
        return Result("unchanged", None)

    for key in "abcdef":
        todo.add(key)
    run_until_idle(todo, handle, workers=3)
    assert most == 3
    assert not overlapped


def test_a_handler_that_hangs_is_ended_by_the_deadline():
    todo, _ = queue()

    async def handle(_key):
        await asyncio.Event().wait()

    async def main():
        todo.add("a")
        task = asyncio.create_task(work(todo, handle, deadline=0.01))
        while todo.depth() or not todo._delayed:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert todo._due.keys() == {"a"}


def test_each_line_of_a_reconcile_has_its_id_and_the_next_one_has_another():
    todo, _ = queue()
    found = []

    async def handle(key):
        async def line():
            record = logging.makeLogRecord({"msg": "hello"})
            assert add_reconcile_id(record)
            found.append((key, record.reconcile))

        await asyncio.gather(line(), line())
        return Result("unchanged", None)

    todo.add("a")
    todo.add("b")
    run_until_idle(todo, handle, workers=1)
    ids = {key: {one for other, one in found if other == key} for key in "ab"}
    assert [len(ids[key]) for key in "ab"] == [1, 1]
    assert not ids["a"] & ids["b"]
    assert not {"-"} & (ids["a"] | ids["b"])


def test_keys_that_may_come_early_come_together_with_one_that_is_due():
    todo, clock = queue()
    together = []
    todo.on_due = together.append
    todo.add_after("a", 30, slack=3)
    todo.add_after("within its slack", 32, slack=3)
    todo.add_after("has none", 31)
    todo.add_after("later", 34, slack=3)
    clock.now = 29.0
    assert todo.take() is None
    clock.now = 30.0
    assert [todo.take(), todo.take(), todo.take()] == ["a", "within its slack", None]
    assert together == [["a", "within its slack"]]
    clock.now = 31.0
    assert [todo.take(), todo.take(), todo.take()] == ["has none", "later", None]


def test_a_delay_that_was_overtaken_brings_no_other_early():
    todo, clock = queue()
    todo.add_after("a", 30, slack=3)
    todo.add_after("b", 32, slack=3)
    todo.add("a")
    assert todo.take() == "a"
    clock.now = 30.0
    assert todo.take() is None


def test_no_more_than_some_keys_come_early_at_once():
    todo, clock = queue()
    together = []
    todo.on_due = together.append
    for number in range(MAX_TOGETHER + 20):
        todo.add_after(number, 30 + number / 1000, slack=3)
    clock.now = 30.0
    assert todo.take() == 0
    assert len(together[0]) == MAX_TOGETHER


def test_two_hundred_checks_of_thirty_seconds_come_in_a_few_groups_and_none_comes_late():
    todo, clock = queue()
    groups, last, waits = [], {}, []
    todo.on_due = groups.append
    for number in range(200):
        todo.add_after(number, number * 0.15, slack=0)
    for tick in range(2000):
        clock.now = tick * 0.1
        while (key := todo.take()) is not None:
            waits.append(clock.now - last.get(key, clock.now - 30))
            last[key] = clock.now
            todo.done(key)
            todo.add_after(key, 30, slack=3)
        if tick == 1000:
            groups.clear()
    assert len(groups) <= 4 * 10
    assert sum(map(len, groups)) == pytest.approx(200 * 100 / 30, rel=0.1)
    assert 26.9 <= min(waits) <= max(waits) <= 30.2
