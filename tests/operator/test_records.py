"""Records of trials in a cluster: when they are written, read back, deleted, and that no rollout waits for them."""

import asyncio
import json
from datetime import timedelta

import pytest
from memory_cluster import KEY, NOW, MemoryCluster, reconciler

from serin_core.contract import names
from serin_core.kubernetes.trial_records import record_name, render_record
from serin_core.rollout import recording
from serin_core.rollout.observation import is_owned_by
from serin_operator.interfaces import ClusterError, ConflictError, RefusedError
from serin_operator.metrics import OperatorMetrics
from serin_operator.records import FIRST_RETRY, RECENT, RecordKeeper
from serin_operator.watched_objects import CHILDREN, OTHER_CONFIG_MAPS


class Operator:
    """A reconciler and a keeper of records with the same clock."""

    def __init__(self, cluster, now=NOW):
        self.cluster, self.now = cluster, now
        self.metrics = OperatorMetrics(lambda: 0)
        self.records = RecordKeeper(cluster, self.metrics.records, lambda: self.now)
        self.one = reconciler(cluster, self.metrics, clock=lambda: self.now, records=self.records)

    def work(self, passes=1, *, seconds=1):
        for _ in range(passes):
            asyncio.run(self.one.reconcile(KEY))
            self.now += timedelta(seconds=seconds)

    def write(self):
        self.cluster.writes.clear()
        return asyncio.run(self.records.write_due())

    def edit(self, **changes):
        live = self.cluster.objects[names.KIND, "default", "categories"]
        self.cluster.put(live | {"spec": live["spec"] | changes})

    @property
    def failures(self):
        return self.metrics.registry.get_sample_value("serin_operator_record_write_failures_total")


def records(cluster):
    found = (one for (kind, _, _), one in cluster.objects.items() if kind == "ConfigMap")
    mine = [one for one in found if names.LABEL_TRIAL in one["metadata"]["labels"]]
    return {int(one["metadata"]["labels"][names.LABEL_TRIAL]): one for one in mine}


def read(cluster, trial=1):
    return recording.read(records(cluster)[trial]["data"][names.RECORD_KEY])


def test_a_record_is_written_after_the_pass_and_belongs_to_the_resource():
    cluster = MemoryCluster()
    operator = Operator(cluster)
    operator.work(2)
    assert records(cluster) == {}
    operator.write()
    assert cluster.writes == [("create ConfigMap", "categories-trial-1")]
    written = records(cluster)[1]
    assert is_owned_by(written, "uid-1")
    assert written["metadata"]["labels"][names.LABEL_TRIAL_OF] == "categories"
    found = read(cluster)
    assert [one.event for one in found.transitions][:2] == ["RolloutStarted", "PodsLoading"]
    assert (found.uid, found.name, found.namespace) == ("uid-1", "categories", "default")


def test_a_record_of_a_newer_version_is_not_written_over(caplog):
    cluster = MemoryCluster()
    first = Operator(cluster)
    first.work(2)
    first.write()
    newer = records(cluster)[1]
    newer["data"][names.RECORD_KEY] = text = json.dumps({"version": 2, "trial": 1})
    cluster.put(newer)
    first.edit(canary={"percent": 40})
    second = Operator(cluster, first.now)
    second.work()
    second.write()
    assert cluster.writes == []
    assert records(cluster)[1]["data"][names.RECORD_KEY] == text
    assert second.failures == 1
    assert "is not written: the record has format version 2, which a newer version of Serin wrote" in caplog.text


def test_nothing_is_written_while_nothing_changes():
    cluster = MemoryCluster()
    operator = Operator(cluster)
    operator.work(4)
    operator.write()
    operator.work(5)
    assert operator.write() is None
    assert cluster.writes == []


def test_nothing_that_looks_for_children_finds_records():
    cluster = MemoryCluster()
    operator = Operator(cluster)
    operator.work(3)
    operator.write()
    labels = records(cluster)[1]["metadata"]["labels"]
    assert not {names.LABEL_MODEL, names.LABEL_UID} & set(labels)
    operator.work(3)
    assert records(cluster), "it was not taken for a former model ConfigMap"
    assert all(f"!{names.LABEL_TRIAL_OF}" in one for one in (CHILDREN["ConfigMap"], OTHER_CONFIG_MAPS))


def test_who_started_a_trial_is_the_writer_of_the_run_in_spec():
    cluster = MemoryCluster()
    live = cluster.objects[names.KIND, "default", "categories"]
    fields = {"f:spec": {"f:runID": {}}}
    live["metadata"]["managedFields"] = [
        {"manager": "kubectl-create", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields},
        {"manager": "argocd-controller", "time": "2026-01-02T00:00:00Z", "fieldsV1": fields},
        {"manager": "serin-operator", "time": "2026-01-03T00:00:00Z", "fieldsV1": {"f:status": {}}},
    ]
    operator = Operator(cluster)
    operator.work()
    operator.write()
    assert read(cluster).by == "argocd-controller"


def test_an_operator_that_starts_later_extends_the_record():
    cluster = MemoryCluster()
    first = Operator(cluster)
    first.work(2)
    first.write()
    before = read(cluster)
    first.edit(canary={"percent": 40})
    second = Operator(cluster, first.now)
    second.work()
    second.write()
    after = read(cluster)
    assert after.transitions[: len(before.transitions)] == before.transitions
    assert after.transitions[-1].event == "CapChanged"
    assert after.started_at == before.started_at


def test_an_operator_that_ended_before_it_wrote_loses_no_transition():
    cluster = MemoryCluster()
    first = Operator(cluster)
    first.work(2)
    first.write()
    first.edit(canary={"percent": 40})
    first.work()
    second = Operator(cluster, first.now)
    second.work()
    second.write()
    assert [one.event for one in read(cluster).transitions].count("CapChanged") == 1
    third = Operator(cluster, first.now + RECENT)
    third.work()
    assert third.write() is None, "an old record is not read again at each start"


def test_the_next_trial_ends_the_record_of_one_that_was_running():
    cluster = MemoryCluster()
    operator = Operator(cluster)
    operator.work(2)
    operator.write()
    operator.edit(runID="run_bbbbbbbb_1")
    operator.work(2)
    operator.write()
    assert read(cluster).outcome == "Replaced"
    assert read(cluster).reason == "another rollout started: run_bbbbbbbb_1"
    assert (read(cluster, 2).run_id, read(cluster, 2).outcome) == ("run_bbbbbbbb_1", "Running")


def test_the_oldest_records_are_deleted_and_no_object_of_anybody_else():
    cluster = MemoryCluster()
    operator = Operator(cluster)
    operator.edit(historyLimit=2)
    theirs = {"kind": "ConfigMap", "metadata": {"namespace": "default", "name": record_name("categories", 1)}}
    theirs["metadata"]["labels"] = {names.LABEL_TRIAL: "1"}
    cluster.put(theirs)
    for number in range(5):
        operator.edit(runID=f"run_bbbbbbbb_{number}")
        operator.work(2)
        operator.write()
    assert sorted(records(cluster)) == [1, 4, 5]
    assert "data" not in records(cluster)[1]
    assert operator.failures >= 1
    operator.edit(historyLimit=1, runID="run_cccccccc_1")
    operator.work(2)
    operator.write()
    assert sorted(records(cluster)) == [1, 6]


def test_without_a_history_no_record_is_written():
    cluster = MemoryCluster()
    operator = Operator(cluster)
    operator.edit(historyLimit=0)
    operator.work(3)
    assert operator.write() is None
    assert records(cluster) == {}


@pytest.mark.parametrize(
    "error", [RefusedError("quota"), ClusterError("503"), ConflictError("changed"), KeyError("a bug")]
)
def test_a_write_that_fails_delays_nothing_is_counted_and_tried_again(error, caplog):
    cluster = MemoryCluster()
    operator = Operator(cluster)
    cluster.fail["create ConfigMap", "categories-trial-1"] = error
    operator.work(2)
    assert operator.write() == FIRST_RETRY.total_seconds()
    assert (records(cluster), operator.failures) == ({}, 1)
    assert f"is not written, tried again in 5s: {error}" in caplog.text
    operator.edit(canary={"percent": 40})
    operator.work()
    assert operator.write() > 0, "the pause is kept"
    operator.now += FIRST_RETRY
    operator.write()
    assert [one.event for one in read(cluster).transitions][-1] == "CapChanged"
    assert len(read(cluster).transitions) >= 3


def test_a_record_that_cannot_be_read_is_started_again_from_the_history():
    cluster = MemoryCluster()
    first = Operator(cluster)
    first.work(2)
    first.write()
    cluster.put(records(cluster)[1] | {"data": {names.RECORD_KEY: "{"}})
    second = Operator(cluster, first.now)
    second.edit(canary={"percent": 40})
    second.work()
    second.write()
    assert [one.event for one in read(cluster).transitions] == ["RolloutStarted", "PodsLoading", "CapChanged"]


def test_records_of_a_deleted_namesake_are_not_extended():
    cluster = MemoryCluster()
    operator = Operator(cluster)
    operator.work(2)
    operator.write()
    stale = records(cluster)[1]
    live = cluster.objects[names.KIND, "default", "categories"]
    cluster.put(live | {"metadata": live["metadata"] | {"uid": "uid-2"}, "status": None})
    operator.work(2)
    operator.write()
    assert records(cluster)[1] == stale
    cluster.objects.pop(("ConfigMap", "default", "categories-trial-1"))
    operator.edit(canary={"percent": 40})
    operator.work()
    operator.write()
    assert read(cluster).uid == "uid-2"


def test_the_writer_writes_at_once_and_once_more_before_it_ends():
    cluster = MemoryCluster()
    operator = Operator(cluster)

    async def run():
        task = asyncio.create_task(operator.records.run())
        await operator.one.reconcile(KEY)
        async with asyncio.timeout(5):
            while not records(cluster):
                await asyncio.sleep(0)
        operator.edit(canary={"percent": 40})
        await operator.one.reconcile(KEY)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert [one.event for one in read(cluster).transitions][-1] == "CapChanged"


def test_the_writer_sleeps_while_points_are_added_and_wakes_for_what_is_due_earlier():
    operator = Operator(MemoryCluster())
    looks, write_due = [], operator.records.write_due
    operator.records.write_due = lambda: looks.append(operator.now) or write_due()

    async def passes():
        for _ in range(5):
            operator.now += timedelta(seconds=30)
            await operator.one.reconcile(KEY)
            for _ in range(20):
                await asyncio.sleep(0)

    async def run():
        task = asyncio.create_task(operator.records.run())
        await passes()
        operator.one._records.note = lambda live, resource, decision, *, is_counted: RecordKeeper.note(
            operator.records, live, resource, decision, is_counted=True
        )
        await passes()
        looks.clear()
        await passes()
        assert looks == []
        operator.edit(canary={"percent": 40})
        await operator.one.reconcile(KEY)
        async with asyncio.timeout(5):
            while not looks:
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_a_rendered_record_is_one_document_of_one_key():
    cluster = MemoryCluster()
    operator = Operator(cluster)
    operator.work(2)
    operator.write()
    rendered = render_record(read(cluster), "{}")
    assert rendered["data"] == {"trial.json": "{}"}
    assert json.loads(records(cluster)[1]["data"]["trial.json"])["version"] == 1
