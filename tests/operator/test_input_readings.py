"""Readings of inputs in virtual time: seldom, one at a time, never waited for."""

import asyncio

import virtual_time
from memory_cluster import KEY, NOW
from models.parts import spec

from serin_core.api.resource import Resource
from serin_core.api.status import RunInUse, Status
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import Series
from serin_operator.input_readings import EVERY, InputReadings
from serin_operator.object_ref import Key

RUN, OTHER_RUN = "run_aaaaaaaa_1", "run_bbbbbbbb_2"
HOUR = EVERY.total_seconds()
FOUND = [Series({"serin_side": "reference", "serin_feature": "hour", "serin_bin": "00"}, 5.0)]


class SlowPrometheus:
    def __init__(self, *results):
        self.results, self.queries, self.running, self.most = list(results), [], 0, 0

    async def read(self, endpoint, query, *, limit=None):
        del limit
        self.queries.append((endpoint, query))
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(2)
        self.running -= 1
        return self.results.pop(0) if self.results else FOUND


def resource(run=RUN, uid="u"):
    stable = None if run is None else RunInUse(run_id=run, digest="sha256:" + "a" * 64, since=NOW)
    return Resource("shop", "categories", uid, 1, "1", spec(RUN), Status(stable=stable))


def during(scenario, *results):
    async def run():
        prometheus, queued = SlowPrometheus(*results), []
        readings = InputReadings(prometheus, enqueue=queued.append, clock=asyncio.get_running_loop().time)
        await scenario(readings, prometheus, queued)
        await asyncio.sleep(3)
        await readings.close()

    virtual_time.run(run())


def test_a_pass_waits_for_nothing_and_what_arrives_queues_the_resource():
    async def scenario(readings, prometheus, queued):
        assert readings.newest(KEY, resource()) is None
        await asyncio.sleep(3)
        assert queued == [KEY]
        assert readings.newest(KEY, resource()).reference == {"hour": {"00": 5.0}}
        assert len(prometheus.queries) == 1

    during(scenario)


def test_prometheus_is_asked_once_an_hour_also_where_it_cannot_be_read():
    async def scenario(readings, prometheus, queued):
        for _ in range(60 * 3):
            readings.newest(KEY, resource())
            await asyncio.sleep(60)
        assert len(prometheus.queries) == 3
        assert readings.newest(KEY, resource()).run_id == RUN, "a failed reading changes nothing"
        assert len(queued) == 2

    assert HOUR == 3600
    during(scenario, FOUND, Unreadable("Unreachable", "down"), FOUND)


def test_one_resource_is_read_at_a_time():
    async def scenario(readings, prometheus, queued):
        keys = [Key("shop", f"model-{number}") for number in range(5)]
        for key in keys:
            readings.newest(key, resource())
        await asyncio.sleep(11)
        assert (prometheus.most, queued) == (1, keys)

    during(scenario)


def test_another_run_or_object_is_read_at_once_and_what_was_known_of_the_former_is_not_used():
    async def scenario(readings, prometheus, _queued):
        readings.newest(KEY, resource())
        await asyncio.sleep(3)
        assert readings.newest(KEY, resource(OTHER_RUN)) is None
        await asyncio.sleep(3)
        assert readings.newest(KEY, resource(OTHER_RUN)).run_id == OTHER_RUN
        assert readings.newest(KEY, resource(OTHER_RUN, uid="v")) is None
        await asyncio.sleep(3)
        assert len(prometheus.queries) == 3

    during(scenario)


def test_without_a_stable_run_nothing_is_asked_and_a_deleted_resource_is_forgotten():
    async def scenario(readings, prometheus, queued):
        assert readings.newest(KEY, resource(None)) is None
        readings.newest(KEY, resource())
        await asyncio.sleep(1)
        readings.forget(KEY)
        await asyncio.sleep(5)
        assert (len(prometheus.queries), queued) == (1, [])

    during(scenario)
