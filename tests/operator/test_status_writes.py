"""A status that the API server refuses: a shorter one is written, and a rollback takes effect in any case."""

import asyncio
import json
import random
from datetime import timedelta

import pytest
from memory_cluster import MemoryCluster, condition, posted_events, ready_reason, reconciler
from models.starting import A, has_percent, new_world

from serin_core.api.packing import expanded
from serin_core.api.status import RejectedRun
from serin_core.api.status_view import condensed
from serin_core.contract import names
from serin_core.contract.documents import RoutingDocument
from serin_operator.interfaces import RefusedError, TooLargeError
from serin_operator.reconcile import Key
from serin_operator.status_writes import WHOLE_AGAIN

KEY = Key("default", "categories")


class Small(MemoryCluster):
    """An API server that takes a status of `limit` characters; another error replaces the one for its size."""

    limit, error = 30_000, TooLargeError("etcdserver: request is too large")

    async def put_status(self, namespace, name, status, resource_version):
        if len(json.dumps(status)) > self.limit:
            raise self.error
        return await super().put_status(namespace, name, status, resource_version)


def fat(status, at):
    """Return the status with texts that cannot be compressed."""
    draw = random.Random(1)
    runs = tuple(
        RejectedRun(run_id=f"run_{number:08}_1", at=at, reason=f"{draw.getrandbits(3200):x}") for number in range(90)
    )
    return status.changed(rejected=runs)


@pytest.fixture
def in_canary():
    """A cluster with a run at 10 %, whose status has become too large, and the time."""
    at = new_world()
    at.settle(until=has_percent(10))
    cluster = Small()
    for child in at.children.values():
        cluster.put(child)
    metadata = {"namespace": "default", "name": "categories", "uid": at.uid, "generation": 2, "annotations": {}}
    spec = at.spec.model_dump(mode="json", exclude_unset=True)
    status = condensed(fat(at.status, at.now))
    assert len(json.dumps(status)) > cluster.limit
    cluster.put({"kind": names.KIND, "metadata": metadata, "spec": spec, "status": status})
    return cluster, at.now


def work(cluster, now, one=None, *, passes=1):
    one = one or reconciler(cluster, clock=lambda: now)
    for _ in range(passes):
        result = asyncio.run(one.reconcile(KEY))
    return result


def ask(cluster, action):
    live = cluster.objects[names.KIND, "default", "categories"]
    live["metadata"]["annotations"] = {f"{names.REQUEST_PREFIX}{action}": f"{A} by=jane smells bad"}
    cluster.put(live)


def routing(cluster):
    return RoutingDocument.parse(cluster.objects["ConfigMap", "default", "categories-routing"]["data"]["routing.json"])


def status_of(cluster):
    return expanded(cluster.objects[names.KIND, "default", "categories"]["status"])


def test_a_rollback_is_recorded_in_a_shorter_status_and_says_so(in_canary):
    cluster, now = in_canary
    assert routing(cluster).candidate.percent == 10
    ask(cluster, "abort")
    assert work(cluster, now).outcome == "changed"
    assert routing(cluster).candidate is None
    status, reason, message = condition(cluster, "StatusReduced")
    assert (status, reason) == ("True", "TooLarge")
    assert "etcdserver: request is too large" in message
    assert posted_events(cluster)["StatusReduced"] == message
    assert "requested by jane: smells bad" in posted_events(cluster)["RolloutAborted"]
    written = status_of(cluster)
    assert written["candidate"]["state"] == "RolledBack"
    assert written["history"][-1]["event"] == "RolloutAborted"
    assert written["handledRequests"][-1]["answer"].startswith("Done")
    assert ready_reason(cluster) == "RolledBack"


def test_a_shorter_status_is_enough_until_a_whole_one_is_accepted_again(in_canary):
    cluster, now = in_canary
    moments = [now]
    one = reconciler(cluster, clock=lambda: moments[-1])
    work(cluster, now, one, passes=3)
    assert condition(cluster, "StatusReduced")[0] == "True"
    assert list(posted_events(cluster)).count("StatusReduced") == 1
    stage = status_of(cluster)["candidate"]["stage"]
    cluster.limit = 10**6
    moments.append(now + WHOLE_AGAIN - timedelta(seconds=1))
    work(cluster, now, one)
    assert condition(cluster, "StatusReduced")[0] == "True"
    moments.append(now + WHOLE_AGAIN)
    work(cluster, now, one)
    kinds = [found["type"] for found in status_of(cluster)["conditions"]]
    assert "StatusReduced" not in kinds
    assert status_of(cluster)["candidate"]["stage"] == stage


@pytest.mark.parametrize(
    "error", [TooLargeError("etcdserver: request is too large"), RefusedError("failed calling webhook")]
)
def test_a_rollback_takes_effect_although_no_status_is_accepted(in_canary, error):
    cluster, now = in_canary
    cluster.limit, cluster.error = 0, error
    before = cluster.objects[names.KIND, "default", "categories"]["status"]
    ask(cluster, "abort")
    one = reconciler(cluster, clock=lambda: now)
    first = routing(cluster).revision
    for _ in range(3):
        assert work(cluster, now, one).outcome == "invalid"
        assert routing(cluster).candidate is None
        assert routing(cluster).revision > first
    assert cluster.objects[names.KIND, "default", "categories"]["status"] == before
    event = posted_events(cluster)["RollbackNotRecorded"]
    assert event.startswith(f"Rollout of {A} aborted at 10 %")
    assert str(error) in event
    cluster.limit = 10**6
    work(cluster, now, one)
    assert status_of(cluster)["candidate"]["state"] == "RolledBack"
    assert routing(cluster).candidate is None


def test_nothing_else_is_written_without_a_status(in_canary):
    cluster, now = in_canary
    cluster.limit = 0
    before = routing(cluster)
    ask(cluster, "promote-full")
    assert work(cluster, now).outcome == "invalid"
    assert routing(cluster) == before
    assert [what for what, _ in cluster.writes] == ["create Event"]
    assert set(posted_events(cluster)) == {"AccessRefused"}
