"""Pods of lost nodes, as the API server has them: what the operator reads of nodes, names, and deletes."""

import pytest
from memory_cluster import MemoryCluster, condition, posted_events, reconcile_once

NODE = {"kind": "Node", "metadata": {"namespace": "", "name": "node-1", "uid": "n"}}
AWAY = {"type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-01-01T00:00:00Z"}
TAINT = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}


def cluster_with_a_pod(*, ready):
    """Return a cluster with one pod on node-1 that does not respond to the operator."""
    cluster = MemoryCluster()
    for _ in range(5):
        reconcile_once(cluster)
    owner = next(one for one in cluster.objects.values() if one["kind"] == "Deployment")
    template = owner["spec"]["template"]["metadata"]
    running = {"running": {"startedAt": "2025-12-31T00:00:00Z"}}
    cluster.put(
        {
            "kind": "Pod",
            "metadata": {
                "namespace": "default",
                "name": "pod-1",
                "uid": "uid-pod-1",
                "labels": template["labels"],
                "annotations": dict(template["annotations"]),
            },
            "spec": {"nodeName": "node-1"},
            "status": {
                "phase": "Running",
                "podIP": "10.0.0.7",
                "conditions": [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2025-12-31T00:00:00Z"}],
                "containerStatuses": [
                    {"name": "server", "containerID": "c", "restartCount": 0, "state": running, "ready": ready}
                ],
            },
        }
    )
    return cluster


def put_node(cluster, *taints):
    cluster.put(NODE | {"spec": {"taints": list(taints)}, "status": {"conditions": [AWAY]}})


def test_a_pod_of_a_node_that_is_not_ready_is_named_and_left():
    cluster = cluster_with_a_pod(ready=False)
    put_node(cluster)
    reconcile_once(cluster)
    status, _, message = condition(cluster, "PodsUnreachable")
    assert status == "True"
    assert message.startswith("pod-1 on node node-1 (10.0.0.7): the node is not ready")
    assert posted_events(cluster)["PodsUnreachable"].endswith(message)
    assert ("Pod", "default", "pod-1") in cluster.objects


@pytest.mark.parametrize("change", ["tainted", "deleted"])
def test_a_pod_of_a_node_that_is_out_of_service_or_deleted_is_deleted_without_its_kubelet(change):
    cluster = cluster_with_a_pod(ready=False)
    if change == "tainted":
        put_node(cluster, TAINT)
    reconcile_once(cluster)
    assert ("delete lost Pod", "pod-1") in cluster.writes
    reconcile_once(cluster)
    assert ("Pod", "default", "pod-1") not in cluster.objects


def test_without_the_right_to_read_nodes_nothing_is_concluded_from_silence():
    cluster = cluster_with_a_pod(ready=False)
    cluster.forbidden.add("Node")
    reconcile_once(cluster)
    reconcile_once(cluster)
    assert ("Pod", "default", "pod-1") in cluster.objects
    assert "its server does not respond: silent" in condition(cluster, "Ready")[2]


def test_no_node_is_read_for_a_pod_without_a_problem():
    cluster = cluster_with_a_pod(ready=True)
    asked = []

    async def get_node(name):
        asked.append(name)

    cluster.get_node = get_node
    reconcile_once(cluster)
    assert asked == []
