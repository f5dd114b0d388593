"""What the keeper of records holds in memory between two writes, and which passes lead to a request."""

import asyncio
import gc
import sys
import types
from datetime import timedelta

import pytest
from memory_cluster import NOW, SPEC, MemoryCluster

from serin_core.api.gate_status import Checkpoint, GateMemory, GateStatus
from serin_core.api.resource import Resource
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Candidate, CandidateState, Status
from serin_core.contract import names
from serin_core.kubernetes.trial_records import record_name
from serin_core.rollout import recording
from serin_core.rollout.decide import Decision
from serin_operator.metrics import OperatorMetrics
from serin_operator.records import WRITE_POINTS_EVERY, RecordKeeper

RUN = SPEC["runID"]
LIVE = {"metadata": {"namespace": "default", "name": "categories", "uid": "uid-1"}}
GATES = ("agreement", "errors", "lowConfidence", "latency", "fallbacks")


class Counting(MemoryCluster):
    """Counts requests, also those that only read."""

    def __init__(self):
        super().__init__()
        self.requests = 0

    async def get(self, kind, namespace, name):
        self.requests += 1
        return await super().get(kind, namespace, name)

    def _write(self, what, name):
        self.requests += 1
        super()._write(what, name)


class Keeper:
    """A keeper with its clock, and a resource at 10 % of users."""

    def __init__(self):
        self.now, self.cluster = NOW, Counting()
        self.records = RecordKeeper(self.cluster, OperatorMetrics(lambda: 0).records, lambda: self.now)
        self.before = None

    def look(self, total, *, seconds=30):
        """Note a pass that has judged every gate on `total` events."""
        self.now += timedelta(seconds=seconds)
        status = status_with(total)
        spec = SuggestionModelSpec.model_validate(SPEC)
        resource = Resource("default", "categories", "uid-1", 1, "1", spec, self.before)
        self.records.note(LIVE, resource, Decision(status, (), (), timedelta()), is_counted=True)
        self.before = status

    def write(self):
        """Write what is due; return the number of requests that were made."""
        before = self.cluster.requests
        asyncio.run(self.records.write_due())
        return self.cluster.requests - before

    def record(self):
        live = self.cluster.objects["ConfigMap", "default", record_name("categories", 1)]
        return recording.read(live["data"][names.RECORD_KEY])


def status_with(total):
    candidate = Candidate(run_id=RUN, state=CandidateState.RUNNING, percent=10, attempt_started_at=NOW)
    gates = [GateStatus(name=one, good=total - 1, total=total, lower=0.9, upper=1.0, reason="x" * 50) for one in GATES]
    return Status(
        trial=1,
        candidate=candidate,
        gates=tuple(gates),
        memory={one: GateMemory(total=total, log_ratios=tuple(float(number) for number in range(20))) for one in GATES},
        checkpoint=Checkpoint(at=NOW),
    )


def held(root):
    """Return everything that an object leads to, without code."""
    seen, left = {}, [root]
    while left:
        one = left.pop()
        if id(one) not in seen and not isinstance(one, type | types.ModuleType | types.FunctionType):
            seen[id(one)] = one
            left += gc.get_referents(one)
    return seen.values()


def test_looks_that_count_nothing_new_make_no_request_however_long_they_go_on():
    keeper = Keeper()
    keeper.look(1000)
    assert keeper.write() > 0
    for _ in range(30):
        keeper.look(1000)
        assert keeper.write() == 0
    assert asyncio.run(keeper.records.write_due()) is None
    keeper.look(1001)
    assert keeper.write() == 0, "points are written every few minutes"
    keeper.look(1001, seconds=WRITE_POINTS_EVERY.total_seconds())
    assert keeper.write() == 2, "it is read and written"
    assert [point[3] for point in keeper.record().curves["agreement"]] == [1000, 1001]


@pytest.mark.parametrize("looks", [1, 9])
def test_a_note_that_waits_holds_the_counts_of_a_look_and_nothing_else_of_its_status(looks):
    keeper = Keeper()
    keeper.look(1000)
    keeper.write()
    for number in range(looks):
        keeper.look(2000 + number)
    found = list(held(keeper.records._open))
    assert sum(isinstance(one, recording.Noted) for one in found) == looks
    assert not [one for one in found if isinstance(one, Status | GateStatus | GateMemory | Checkpoint | Candidate)]


def test_a_look_more_takes_little_memory():
    keeper = Keeper()
    keeper.look(1000)
    keeper.write()
    sizes = []
    for number in range(3):
        keeper.look(2000 + number)
        sizes.append(sum(map(sys.getsizeof, held(keeper.records._open))))
    assert sizes[2] - sizes[1] < 1000, "a whole status takes more than ten times as much"
    assert sum(map(sys.getsizeof, held(keeper.before))) > 10_000


def test_a_record_is_in_memory_only_while_it_is_written():
    keeper = Keeper()
    for number in range(50):
        keeper.look(1000 + number)
    keeper.look(2000, seconds=WRITE_POINTS_EVERY.total_seconds())
    keeper.write()
    assert len(keeper.record().curves["agreement"]) == 51
    floats = [one for one in held(keeper.records._open) if isinstance(one, float)]
    assert len(floats) < 51
