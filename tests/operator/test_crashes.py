"""Crashes as the operator gathers them: pods from the API server, and the Events and nodes that it reads for them."""

import pytest
from memory_cluster import NOW, reconcile_once, restarted_pods

from serin_core.api.packing import expanded
from serin_core.contract import names

KILLED = {
    "reason": "Killing",
    "type": "Normal",
    "message": "Container server failed liveness probe, will be restarted",
    "metadata": {"creationTimestamp": NOW.isoformat()},
    "lastTimestamp": NOW.isoformat(),
}


def crashes(cluster, events=()):
    asked = []

    async def list_events(_namespace, uid):
        asked.append(uid)
        return list(events)

    cluster.list_events = list_events
    reconcile_once(cluster)
    status = expanded(cluster.objects[names.KIND, "default", "categories"]["status"])
    return status, asked


def test_a_node_that_went_down_with_all_its_pods_rolls_nothing_back():
    status, asked = crashes(restarted_pods(137, 137, 137, 143))
    assert status.get("crashes", []) == []
    assert status["candidate"]["state"] == "Loading"
    assert len(asked) == 4


def test_the_same_exit_codes_are_crashes_where_the_liveness_probe_ended_a_hang():
    status, _ = crashes(restarted_pods(137, 137, 0), [KILLED])
    assert status["candidate"]["state"] == "RolledBack"
    assert status["history"][-1]["event"] == "CandidateCrashed"


@pytest.mark.parametrize("code", [1, 139])
def test_exits_with_an_error_need_no_event(code):
    status, asked = crashes(restarted_pods(code, code, code))
    assert status["history"][-1]["event"] == "CandidateCrashed"
    assert asked == []


def test_exits_on_a_node_that_was_not_ready_are_no_crashes():
    cluster = restarted_pods(1, 1, 1)
    node = cluster.objects["Node", "", "node-1"]
    node["status"]["conditions"][0]["status"] = "Unknown"
    status, _ = crashes(cluster)
    assert status.get("crashes", []) == []
