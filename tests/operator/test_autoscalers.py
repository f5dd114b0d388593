"""The autoscaler of a resource: read only where it is wanted, and in nobody's way."""

import pytest
from memory_cluster import MemoryCluster, condition, reconcile_once

from serin_core.contract import names

MINE = ("HorizontalPodAutoscaler", "default", "categories")
AUTOSCALING = {"maxReplicas": 5}


class Reads(MemoryCluster):
    """Remembers which kinds were read."""

    def __init__(self):
        super().__init__()
        self.read = []

    async def get(self, kind, namespace, name):
        self.read.append(kind)
        return await super().get(kind, namespace, name)


@pytest.fixture
def cluster():
    return Reads()


def settle(cluster, **server):
    """Reconcile with these fields of spec.server until nothing is written any more."""
    live = cluster.objects[names.KIND, "default", "categories"]
    live["spec"]["server"] = {"token": {"secretName": "t"}} | server
    cluster.put(live)
    for _ in range(8):
        reconcile_once(cluster)
    assert cluster.writes == []
    cluster.read.clear()
    reconcile_once(cluster)


def foreign():
    owner = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "other"}]
    metadata = {"namespace": "default", "name": "categories", "labels": {}, "ownerReferences": owner}
    return {"kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": {"maxReplicas": 9}}


def test_it_is_read_while_it_is_wanted_and_until_it_is_gone(cluster):
    settle(cluster)
    assert "HorizontalPodAutoscaler" not in cluster.read
    settle(cluster, autoscaling=AUTOSCALING)
    assert "HorizontalPodAutoscaler" in cluster.read
    assert cluster.objects[MINE]["spec"]["maxReplicas"] == 5
    settle(cluster)
    assert MINE not in cluster.objects
    assert "HorizontalPodAutoscaler" not in cluster.read


def test_one_that_is_edited_or_deleted_is_restored(cluster):
    settle(cluster, autoscaling=AUTOSCALING)
    cluster.objects[MINE]["spec"]["maxReplicas"] = 50
    settle(cluster, autoscaling=AUTOSCALING)
    assert cluster.objects[MINE]["spec"]["maxReplicas"] == 5
    del cluster.objects[MINE]
    settle(cluster, autoscaling=AUTOSCALING)
    assert MINE in cluster.objects


def test_one_of_somebody_else_is_a_conflict_only_where_one_is_wanted(cluster):
    cluster.put(foreign())
    settle(cluster)
    assert condition(cluster, "Ready")[1] == "Loading"
    settle(cluster, autoscaling=AUTOSCALING)
    assert condition(cluster, "Ready")[1:] == (
        "ChildConflict",
        "HorizontalPodAutoscaler categories exists already and belongs to another object; waiting until it is deleted",
    )
    assert ("Deployment", "default", "categories") in cluster.objects
    settle(cluster)
    assert cluster.objects[MINE]["spec"] == {"maxReplicas": 9}


def test_a_role_that_does_not_allow_it_matters_only_where_one_is_wanted(cluster):
    cluster.forbidden.add("HorizontalPodAutoscaler")
    settle(cluster)
    assert condition(cluster, "Ready")[1] == "Loading"
    live = cluster.objects[names.KIND, "default", "categories"]
    live["spec"]["server"]["autoscaling"] = AUTOSCALING
    cluster.put(live)
    for _ in range(3):
        reconcile_once(cluster)
    _, reason, message = condition(cluster, "Ready")
    assert reason == "ChildRefused"
    assert "give the operator its current rights" in message
