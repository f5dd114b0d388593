"""An operator that counts at every check, and writes the status every few minutes."""

import asyncio
from datetime import timedelta

import pytest
from memory_cluster import KEY, MemoryCluster, reconciler
from models.starting import A, has_percent, new_world

from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import ProcessCounts
from serin_core.api.packing import expanded
from serin_core.api.status_view import condensed
from serin_core.contract import names
from serin_core.counting.server_counters import StageCounts
from serin_core.rollout.unwritten_counts import WRITE_CHECKPOINT_EVERY
from serin_operator.interfaces import ClusterError
from serin_operator.metrics import OperatorMetrics
from serin_operator.stage_reader import StageReading

LOOK = timedelta(seconds=30)


class Reader:
    """Counts of all gates, as Prometheus would have them."""

    def __init__(self):
        self.good = self.total = 1000.0
        self.asked_since = []

    async def read(self, asked, now):
        self.asked_since.append(asked.stage.since)
        found = {gate.value: {"p": ProcessCounts(good=self.good, total=self.total)} for gate in GateName}
        low = {"p": ProcessCounts(good=self.total - self.good, total=self.total)}
        return StageReading(StageCounts(found | {"lowConfidence": low, "fallback": low}))


class Operator:
    """One operator on a cluster, with a clock."""

    def __init__(self, cluster, now):
        self.cluster, self.now, self.reader = cluster, now, Reader()
        self.metrics = OperatorMetrics(lambda: 0)
        self.one = reconciler(cluster, self.metrics, clock=lambda: self.now)
        self.one._readings._reader = self.reader

    def look(self, *, more=0.0, good=None):
        """Count more, decide, and return what was written."""
        self.reader.total += more
        self.reader.good += more if good is None else good
        self.cluster.writes.clear()
        asyncio.run(self.one.reconcile(KEY))
        self.now += LOOK
        return [what for what, _ in self.cluster.writes]

    @property
    def events(self):
        """What the operator's metrics show of a gate."""
        lines = self.metrics.resources.exposition.text().splitlines()
        name = "serin_suggestionmodel_gate_events{"
        return float(next(one for one in lines if one.startswith(name) and 'gate="errors"' in one).rpartition(" ")[2])


def status_of(cluster):
    return expanded(cluster.objects[names.KIND, "default", "categories"]["status"])


def total_of(cluster):
    return next(gate["total"] for gate in status_of(cluster)["gates"] if gate["name"] == "errors")


@pytest.fixture
def operator():
    """An operator of a rollout at 10 % that waits for its soak, which has written everything that it knows."""
    at = new_world(
        canary={"shadowSoak": "1s", "steps": [{"percent": 10, "soak": "720h"}]}, analysis={"interval": "30s"}
    )
    at.settle(until=has_percent(10))
    cluster = MemoryCluster()
    for child in at.children.values():
        cluster.put(child)
    metadata = {"namespace": "default", "name": "categories", "uid": at.uid, "generation": 1, "annotations": {}}
    spec = at.spec.model_dump(mode="json", exclude_unset=True)
    cluster.put({"kind": names.KIND, "metadata": metadata, "spec": spec, "status": condensed(at.status)})
    made = Operator(cluster, at.now)
    for _ in range(4):
        made.look()
    assert made.look() == []
    return made


def test_counts_that_grow_are_written_every_fifth_look_and_shown_by_the_metrics_at_each(operator):
    written = []
    for _ in range(10):
        written.append(operator.look(more=10))
        assert operator.events == operator.reader.total
    assert written == [[], [], [], [], ["status"]] * 2
    assert total_of(operator.cluster) == operator.reader.total


def test_counts_that_stand_still_write_the_time_of_the_checkpoint_once_an_hour_and_reads_stay_short(operator):
    for _ in range(30):
        operator.look()  # no pod is there: that is said after some minutes
    looks = int(WRITE_CHECKPOINT_EVERY / LOOK) + 20
    written = [operator.look() for _ in range(looks)]
    assert [one for one in written if one] == [["status"]]
    assert operator.now - operator.reader.asked_since[-1] < timedelta(minutes=7)


def test_a_verdict_is_written_at_once_with_all_counts(operator):
    assert operator.look(more=10) == []
    written = operator.look(more=2000, good=0)
    assert written[:2] == ["status", "apply ConfigMap"]
    assert status_of(operator.cluster)["history"][-1]["event"] == "GateFailed"


def test_a_status_that_cannot_be_written_changes_nothing_of_what_is_kept(operator):
    operator.look(more=10)
    operator.cluster.fail["status", "categories"] = ClusterError("503")
    with pytest.raises(ClusterError):
        operator.look(more=2000, good=0)
    written = operator.look()
    assert written[:2] == ["status", "apply ConfigMap"]
    assert status_of(operator.cluster)["history"][-1]["event"] == "GateFailed"


def test_an_operator_that_takes_over_comes_to_the_same_counts(operator):
    for _ in range(3):
        operator.look(more=10)
    assert total_of(operator.cluster) == 1000
    other = Operator(operator.cluster, operator.now)
    other.reader.good = other.reader.total = operator.reader.total
    assert other.look() == []
    assert other.events == operator.events == 1030


def test_an_edit_of_the_spec_is_decided_on_the_newest_counts(operator):
    operator.look(more=10)
    live = operator.cluster.objects[names.KIND, "default", "categories"]
    operator.cluster.put(live | {"spec": live["spec"] | {"suspend": True}})
    assert "status" in operator.look()
    assert total_of(operator.cluster) == 1010
    written = operator.cluster.objects[names.KIND, "default", "categories"]
    assert written["status"]["observedGeneration"] == written["metadata"]["generation"]


def test_a_status_that_somebody_restores_by_hand_is_what_the_next_look_goes_on_from(operator):
    live = operator.cluster.objects[names.KIND, "default", "categories"]
    operator.look(more=10)
    metadata = live["metadata"] | {"annotations": {f"{names.REQUEST_PREFIX}pause": f"{A} by=jane"}}
    operator.cluster.put(live | {"metadata": metadata})
    Operator(operator.cluster, operator.now).look()
    assert status_of(operator.cluster)["candidate"]["pause"]
    operator.look(more=10)
    assert status_of(operator.cluster)["candidate"]["pause"]
