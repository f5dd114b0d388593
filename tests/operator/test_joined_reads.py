"""Reads of many resources: few queries, and no resource or endpoint that fails keeps another from being read."""

import asyncio
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from serin_core.api.gate_names import GateName
from serin_core.contract import names
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import NOW as EVALUATED_AT
from serin_core.counting.stage_query import Series, StageQuery
from serin_operator.joined_reads import REMEMBERED, JoinedReads

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOO_MUCH = Unreadable("QueryError", "Prometheus refused the query (422): query timed out")
DOWN = Unreadable("Unreachable", "connection refused")


def stage(number, **changes):
    whole = {
        "uid": f"{number:08d}-0000-4000-8000-000000000000",
        "run_id": f"run_{number:08d}_1",
        "stage": 7 + number % 3,
        "percent": 10.0,
        "gates": tuple(GateName),
        "started_at": NOW - timedelta(hours=1),
        "checkpoint": None,
        "interval": timedelta(seconds=30),
    }
    return StageQuery(**whole | changes)


class Prometheus:
    """Returns one series of each resource that a query names, unless the test says what fails."""

    def __init__(self):
        self.queries, self.fails, self.hangs = [], lambda _uids: None, {}
        self.cancelled = 0

    async def read(self, endpoint, query, *, limit=None):
        uids = set(re.search(r'serin_label_check\{serin_uid=~?"(.*?)"', query)[1].split("|"))
        self.queries.append(uids)
        try:
            await self.hangs.get(endpoint, asyncio.sleep)(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        found = [
            Series(
                {
                    "__name__": names.REQUESTS,
                    names.SERIES_UID: one.uid,
                    names.SERIES_RUN: one.run_id,
                    names.SERIES_STAGE: str(one.stage),
                },
                float(one.uid[:8]),
            )
            for one in map(stage, range(250))
            if one.uid in uids
        ]
        return self.fails(uids) or [*found, Series({EVALUATED_AT: "true"}, NOW.timestamp())]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


async def forever(_seconds):
    await asyncio.Event().wait()


def play(scenario):
    async def run():
        prometheus, clock = Prometheus(), Clock()
        reads = JoinedReads(prometheus, window=0, clock=clock)
        await scenario(prometheus, reads, clock)
        await reads.close()

    asyncio.run(run())


def read_all(reads, numbers, endpoint="default"):
    return asyncio.gather(*(reads.read(endpoint, stage(number), NOW) for number in numbers))


def values(found):
    return [one if isinstance(one, Unreadable) else next(mine.value for mine in one if mine.name) for one in found]


def test_two_hundred_resources_are_read_by_few_queries_and_each_gets_its_own():
    async def scenario(prometheus, reads, _clock):
        found = await read_all(reads, range(200))
        assert values(found) == list(range(200))
        assert all(len(one) == 2 for one in found)
        assert len(prometheus.queries) <= 12
        prometheus.queries.clear()
        await read_all(reads, range(200))
        assert len(prometheus.queries) <= 12

    play(scenario)


def test_one_resource_that_fails_is_found_and_spoils_no_other_reading():
    async def scenario(prometheus, reads, _clock):
        bad = stage(17).uid
        prometheus.fails = lambda uids: TOO_MUCH if bad in uids else None
        found = values(await read_all(reads, range(30)))
        assert found == [TOO_MUCH if number == 17 else number for number in range(30)]
        assert len(prometheus.queries) < 25
        prometheus.queries.clear()
        await read_all(reads, range(30))
        assert {bad} in prometheus.queries
        assert len(prometheus.queries) <= 3

    play(scenario)


def test_a_resource_that_failed_is_read_with_the_others_again_after_a_while():
    async def scenario(prometheus, reads, clock):
        bad = stage(7).uid
        prometheus.fails = lambda uids: TOO_MUCH if bad in uids else None
        await read_all(reads, range(10))
        prometheus.fails = lambda _uids: None
        prometheus.queries.clear()
        await read_all(reads, range(10))
        assert len(prometheus.queries) == 2
        clock.now += REMEMBERED + 1
        prometheus.queries.clear()
        await read_all(reads, range(10))
        assert len(prometheus.queries) == 1

    play(scenario)


def test_a_query_for_more_resources_than_an_endpoint_manages_is_halved_and_that_is_remembered():
    async def scenario(prometheus, reads, _clock):
        prometheus.fails = lambda uids: TOO_MUCH if len(uids) > 8 else None
        assert values(await read_all(reads, range(30))) == list(range(30))
        prometheus.queries.clear()
        assert values(await read_all(reads, range(30))) == list(range(30))
        assert max(map(len, prometheus.queries)) <= 8
        prometheus.queries.clear()
        await read_all(reads, range(30), endpoint="another")
        assert max(map(len, prometheus.queries)) > 8

    play(scenario)


@pytest.mark.parametrize("problem", [DOWN, TOO_MUCH])
def test_an_endpoint_that_fails_for_all_costs_two_more_queries_and_not_one_for_each(problem):
    async def scenario(prometheus, reads, _clock):
        prometheus.fails = lambda _uids: problem
        for _ in range(2):
            prometheus.queries.clear()
            assert values(await read_all(reads, range(30))) == [problem] * 30
            assert Counter(map(len, prometheus.queries))[1] == 2 * sum(len(one) > 1 for one in prometheus.queries)
            assert len(prometheus.queries) <= 6

    play(scenario)


def test_an_endpoint_that_hangs_holds_only_its_own_reads():
    async def scenario(prometheus, reads, _clock):
        prometheus.hangs["hanging"] = forever
        held = asyncio.ensure_future(read_all(reads, range(5), endpoint="hanging"))
        assert values(await read_all(reads, range(5))) == list(range(5))
        assert not held.done()
        held.cancel()

    play(scenario)


def test_a_query_is_cancelled_when_the_last_of_its_reads_is():
    async def scenario(prometheus, reads, _clock):
        prometheus.hangs["default"] = forever
        tasks = [asyncio.ensure_future(reads.read("default", stage(number), NOW)) for number in range(2)]
        for cancelled in (0, 1):
            for _ in range(10):
                await asyncio.sleep(0)
            assert prometheus.cancelled == 0
            tasks[cancelled].cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert prometheus.cancelled == 1

    play(scenario)


def test_a_bug_ends_every_read_of_its_query():
    async def scenario(prometheus, reads, _clock):
        def fail(_uids):
            raise RuntimeError("no such thing")

        prometheus.fails = fail
        found = await asyncio.gather(
            *(reads.read("default", stage(one), NOW) for one in range(9)), return_exceptions=True
        )
        assert {str(one) for one in found} == {"no such thing"}

    play(scenario)


def test_a_read_waits_for_the_window_and_not_for_later_reads():
    async def scenario(prometheus, _reads, _clock):
        reads = JoinedReads(prometheus, window=0)
        first = asyncio.ensure_future(reads.read("default", stage(1), NOW))
        for number in range(2, 12):
            await asyncio.sleep(0)
            task = asyncio.ensure_future(reads.read("default", stage(number), NOW))
            if first.done():
                break
        assert values([await first]) == [1]
        await task
        assert len(prometheus.queries) > 1

    play(scenario)
