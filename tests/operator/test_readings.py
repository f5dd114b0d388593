"""Readings beside the passes: what a pass decides while Prometheus hangs, and what becomes of late results."""

import asyncio
from datetime import timedelta

import pytest
from memory_cluster import KEY, NOW, MemoryCluster, condition, posted_events, reconcile_once, reconciler, restarted_pods

from serin_core.api.status import CandidateState, Status
from serin_core.api.status_view import condensed
from serin_core.contract import names
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import NOW as EVALUATED_AT
from serin_core.counting.stage_query import Series
from serin_operator.interfaces import ConflictError
from serin_operator.metrics import OperatorMetrics

RUN = "run_aaaaaaaa_1"
ABORT = {"request.serin.dev/abort": f"{RUN} 2026-01-01T00:00:00Z"}


class Prometheus:
    """Returns no series of the stage, and only while the test allows it."""

    def __init__(self, *, hangs):
        self.asked, self.cancelled, self.answers, self.fails = [], 0, asyncio.Event(), None
        if not hangs:
            self.answers.set()

    async def read(self, endpoint, query):
        self.asked.append(query)
        try:
            await self.answers.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails:
            raise self.fails
        return [Series({EVALUATED_AT: "true"}, NOW.timestamp() + 1)]

    async def read_number(self, endpoint, query):
        return Unreadable("Unreachable", "down")

    async def read_samples(self, endpoint, query, at):
        return []


def live(cluster):
    return cluster.objects[names.KIND, "default", "categories"]


def status_of(cluster):
    return Status.model_validate(live(cluster)["status"])


def change(cluster, *, annotations=None, **candidate):
    """Change annotations, as a user does, and the candidate in status."""
    found, status = live(cluster), status_of(cluster)
    found["metadata"].setdefault("annotations", {}).update(annotations or {})
    if candidate:
        status = status.changed(candidate=status.candidate.changed(**candidate))
        found["status"] = condensed(status)
    cluster.put(found)


def in_stage(cluster=None):
    """Return a cluster with a candidate at 10 %, whose stage has started."""
    cluster = cluster or MemoryCluster()
    for _ in range(5):
        reconcile_once(cluster)
    template = cluster.objects["Deployment", "default", "categories"]["spec"]["template"]["metadata"]
    stage = {"template": template["annotations"][names.ANNOTATION_TEMPLATE]}
    stage |= {"stage": 7, "stage_started_at": NOW, "soaking_since": NOW, "digest": "sha256:" + "a" * 64}
    change(cluster, state=CandidateState.RUNNING, percent=10, **stage)
    return cluster


class Scene:
    """One operator with a Prometheus, in one event loop."""

    def __init__(self, cluster, *, hangs=True):
        self.cluster, self.queued, self.now = cluster, [], NOW
        self.prometheus, self.metrics = Prometheus(hangs=hangs), OperatorMetrics(lambda: 0)
        self.operator = reconciler(
            cluster, self.metrics, prometheus=self.prometheus, enqueue=self.queued.append, clock=lambda: self.now
        )

    async def look(self):
        return await self.operator.reconcile(KEY)

    async def arrive(self):
        """Let Prometheus answer now and from now on."""
        self.prometheus.answers.set()
        for _ in range(20):
            await asyncio.sleep(0)

    @property
    def reasons(self):
        """Return the reasons of all gates but the one that needs a report of the pods."""
        return {gate.reason for gate in status_of(self.cluster).gates} - {"NoReport"}

    @property
    def state(self):
        return status_of(self.cluster).candidate.state

    def readings(self):
        found = self.metrics.readings.collect()
        return sum(one.value for family in found for one in family.samples if one.name.endswith("_total"))


def play(scenario, cluster=None, *, hangs=True):
    cluster = cluster or in_stage()

    async def run():
        scene = Scene(cluster, hangs=hangs)
        await scenario(scene)
        await scene.operator._readings.close()

    asyncio.run(run())


def test_an_abort_is_written_at_once_while_prometheus_hangs():
    async def scenario(scene):
        await scene.look()
        change(scene.cluster, annotations=ABORT)
        await scene.look()
        assert scene.state is CandidateState.ROLLED_BACK
        assert posted_events(scene.cluster)["RolloutAborted"]
        assert len(scene.prometheus.asked) == 1

    play(scenario)


def test_a_crash_rollback_is_written_at_once_while_prometheus_hangs():
    cluster = restarted_pods(1, 1, 1)

    async def scenario(scene):
        await scene.look()
        assert scene.state is CandidateState.ROLLED_BACK
        assert "CandidateCrashed" in posted_events(scene.cluster)

    play(scenario, in_stage(cluster))


def test_edits_at_every_pass_neither_delay_a_decision_nor_begin_the_reading_again():
    async def scenario(scene):
        for number in range(5):
            change(scene.cluster, annotations={"touched": str(number)})
            scene.cluster.fail["status", "categories"] = ConflictError("it has changed")
            await scene.look()
        assert len(scene.prometheus.asked) == 1
        await scene.arrive()
        scene.cluster.fail["status", "categories"] = ConflictError("it has changed")
        assert (await scene.look()).outcome == "conflict"
        # Nothing was written on these counts yet: they are used by the next pass, without another query.
        await scene.look()
        assert scene.reasons == {"NoData"}
        assert len(scene.prometheus.asked) == 1

    play(scenario)


def test_what_arrives_late_queues_the_resource_and_is_new_for_one_status():
    async def scenario(scene):
        for _ in range(2):
            await scene.look()
        assert (scene.queued, scene.readings(), scene.reasons) == ([], 0, {"NotAsked"})
        await scene.arrive()
        assert scene.queued == [KEY]
        await scene.look()
        assert (scene.readings(), scene.reasons, len(scene.prometheus.asked)) == (1, {"NoData"}, 1)
        await scene.look()
        assert (scene.readings(), len(scene.prometheus.asked)) == (2, 2)

    play(scenario)


@pytest.mark.parametrize("field", [{"stage": 8}, {"percent": 50}, {"run_id": "run_bbbbbbbb_2"}])
def test_a_reading_of_another_stage_is_dropped_and_the_present_one_is_read(field):
    async def scenario(scene):
        await scene.look()
        change(scene.cluster, **field)
        if "run_id" in field:
            live(scene.cluster)["spec"]["runID"] = field["run_id"]
        await scene.look()
        await scene.arrive()
        assert scene.queued == [KEY]
        assert scene.readings() == 0
        await scene.look()
        assert (scene.readings(), len(scene.prometheus.asked)) == (1, 2)

    play(scenario)


def test_a_reading_that_nothing_was_decided_on_for_a_minute_is_no_evidence():
    async def scenario(scene):
        await scene.look()
        await scene.arrive()
        scene.now += timedelta(seconds=61)
        scene.prometheus.answers.clear()
        await scene.look()
        assert (scene.readings(), len(scene.prometheus.asked)) == (0, 2)

    play(scenario)


def test_where_prometheus_answers_every_pass_has_counts_of_its_own_and_no_other_is_queued():
    async def scenario(scene):
        for number in range(1, 4):
            await scene.look()
            assert (scene.readings(), len(scene.prometheus.asked)) == (number, number)
            assert scene.reasons == {"NoData"}
        assert scene.queued == []

    play(scenario, hangs=False)


def test_a_bug_in_a_reading_holds_the_gates_and_says_what_it_was():
    async def scenario(scene):
        scene.prometheus.fails = RuntimeError("no such thing")
        await scene.look()
        assert scene.reasons == {"QueryError"}
        assert "the counts cannot be evaluated: RuntimeError: no such thing" in condition(scene.cluster, "Ready")[2]

    play(scenario, hangs=False)


def test_what_was_unreadable_stays_so_in_the_condition_until_the_next_result():
    async def scenario(scene):
        scene.prometheus.fails = RuntimeError("no such thing")
        await scene.look()
        found = condition(scene.cluster, "Ready")
        assert found[1] == "MetricsUnavailable"
        scene.prometheus.answers.clear()
        await scene.look()
        assert condition(scene.cluster, "Ready") == found
        assert scene.readings() == 1

    play(scenario, hangs=False)


@pytest.mark.parametrize("is_gone", [True, False])
def test_the_reading_of_a_deleted_resource_is_cancelled(is_gone):
    async def scenario(scene):
        await scene.look()
        if is_gone:
            del scene.cluster.objects[names.KIND, "default", "categories"]
        else:
            live(scene.cluster)["metadata"]["deletionTimestamp"] = "now"
        await scene.look()
        for _ in range(5):
            await asyncio.sleep(0)
        assert scene.prometheus.cancelled == 1
        await scene.arrive()
        assert scene.queued == []

    play(scenario)


def test_shutdown_cancels_all_readings():
    async def scenario(scene):
        await scene.look()
        await scene.operator._readings.close()
        assert scene.prometheus.cancelled == 1

    play(scenario)


def test_a_reading_that_was_begun_ahead_is_the_one_that_the_next_pass_decides_on():
    async def scenario(scene):
        for number in (1, 2, 3):
            await scene.look()
            assert len(scene.prometheus.asked) == number
            scene.operator._readings.ahead([KEY])
            await scene.arrive()
            assert (scene.queued, len(scene.prometheus.asked)) == ([], number + 1)
            assert scene.readings() == number
        await scene.look()
        assert (scene.readings(), len(scene.prometheus.asked)) == (4, 4)

    play(scenario, hangs=False)


def test_a_pass_waits_a_moment_for_the_reading_that_was_begun_ahead_of_it():
    async def scenario(scene):
        await scene.look()
        scene.operator._readings.ahead([KEY])
        await scene.look()
        assert (scene.readings(), scene.queued, len(scene.prometheus.asked)) == (2, [], 2)

    play(scenario, hangs=False)


def test_a_reading_that_was_begun_ahead_of_an_edit_is_no_evidence():
    async def scenario(scene):
        await scene.look()
        scene.operator._readings.ahead([KEY])
        await scene.arrive()
        change(scene.cluster, stage=8)
        await scene.look()
        assert (scene.readings(), len(scene.prometheus.asked)) == (2, 3)

    play(scenario, hangs=False)


def test_nothing_is_read_ahead_for_a_resource_that_is_unknown_or_gone():
    async def scenario(scene):
        scene.operator._readings.ahead([KEY])
        await scene.look()
        del scene.cluster.objects[names.KIND, "default", "categories"]
        await scene.look()
        scene.operator._readings.ahead([KEY])
        await scene.arrive()
        assert len(scene.prometheus.asked) == 1

    play(scenario, hangs=False)
