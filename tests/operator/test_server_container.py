"""Which ends of containers count as crashes of the server. Statuses are written out as a kubelet reports them."""

from datetime import UTC, datetime, timedelta

import pytest

from serin_operator import server_container
from serin_operator.nodes import DELETED, NodeSeen

T0 = datetime(2026, 1, 1, tzinfo=UTC)
AT = T0 + timedelta(hours=1)
"""When the container ended."""
RUNNING = {"state": {"running": {"startedAt": "2026-01-01T01:00:01Z"}}}


def ended(code, reason="Error", at="2026-01-01T01:00:00Z"):
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": at}}


def pod(server, *others, conditions=()):
    containers = [*others, {"name": "server", "containerID": "containerd://1"} | server]
    metadata = {"name": "categories-7d4b-x2x9k", "uid": "u"}
    return {"metadata": metadata, "status": {"conditions": list(conditions), "containerStatuses": containers}}


def restarted(code, reason="Error", **kwargs):
    return pod({"restartCount": 1, "lastState": ended(code, reason)} | RUNNING, **kwargs)


def event(reason, message, seconds=-5, **fields):
    at = (AT + timedelta(seconds=seconds)).isoformat()
    return {"reason": reason, "type": "Normal", "message": message, "firstTimestamp": at, "lastTimestamp": at} | fields


LIVENESS = event("Killing", "Container server failed liveness probe, will be restarted")
CONTAINERD_LOST_IT = {"exitCode": 255, "reason": "Unknown", "finishedAt": "2026-01-01T01:00:28Z"}
KUBELET_LOST_IT = {"exitCode": 137, "reason": "ContainerStatusUnknown", "finishedAt": "2026-01-01T01:00:28Z"}


@pytest.mark.parametrize(
    "found",
    [
        restarted(1),
        restarted(3),
        restarted(255),
        restarted(137, "OOMKilled"),
        restarted(134),
        restarted(139),
        pod({"restartCount": 0, "state": ended(1)}),
    ],
    ids=["exit 1", "exit 3", "exit 255", "out of memory", "abort", "segmentation fault", "not restarted yet"],
)
def test_an_end_that_the_process_caused_is_a_crash(found):
    assert [crash.at for crash in server_container.crashes(found, (), None)] == [AT]


@pytest.mark.parametrize(
    "found",
    [
        restarted(0, "Completed"),
        restarted(137),
        restarted(143),
        restarted(130),
        pod({"restartCount": 1, "lastState": {"terminated": CONTAINERD_LOST_IT}} | RUNNING),
        pod({"restartCount": 1, "lastState": {"terminated": KUBELET_LOST_IT}} | RUNNING),
        pod({"restartCount": 1, "lastState": ended(137, "ContainerStatusUnknown", at=None)} | RUNNING),
        restarted(128, "StartError"),
        restarted(128, "ContainerCannotRun"),
        pod({"restartCount": 0} | RUNNING, {"name": "proxy", "restartCount": 9, "lastState": ended(1)}),
        pod({"restartCount": 0} | RUNNING, {"name": "agent", "restartCount": 1, "state": ended(137, "OOMKilled")}),
    ],
    ids=[
        "graceful",
        "all processes of a node killed",
        "terminated",
        "interrupted",
        "containerd after a power cut",
        "a kubelet that lost it",
        "without a time",
        "the command does not exist",
        "the process never ran",
        "a sidecar that crashes",
        "a sidecar out of memory",
    ],
)
def test_an_end_that_others_caused_is_no_crash(found):
    assert server_container.crashes(found, (), None) == ()


@pytest.mark.parametrize("reason", ["EvictionByEvictionAPI", "PreemptionByScheduler", "DeletionByTaintManager"])
def test_ends_of_a_pod_that_is_being_removed_are_no_crashes(reason):
    disruption = {"type": "DisruptionTarget", "status": "True", "reason": reason}
    assert server_container.crashes(restarted(1, conditions=[disruption]), (), None) == ()
    was_spared = disruption | {"status": "False"}
    assert len(server_container.crashes(restarted(1, conditions=[was_spared]), (), None)) == 1


@pytest.mark.parametrize("code", [0, 137, 143])
def test_a_hang_that_the_liveness_probe_ends_is_a_crash_whatever_its_exit_code(code):
    found = restarted(code)
    assert server_container.needs_events(found, AT)
    assert len(server_container.crashes(found, [LIVENESS], None)) == 1


@pytest.mark.parametrize(
    "other",
    [
        event("Killing", "Stopping container server"),
        event("Killing", "Container proxy failed liveness probe, will be restarted"),
        event("Killing", "Container server failed liveness probe, will be restarted", seconds=-600),
        event("Killing", "Container server failed liveness probe, will be restarted", seconds=30),
        event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500"),
        event("NodeNotReady", "Node is not ready"),
    ],
    ids=["stopped", "another container", "long before", "later", "a failure that led to nothing", "node"],
)
def test_other_events_do_not_make_an_end_a_crash(other):
    assert server_container.crashes(restarted(137), [other], None) == ()


def test_an_event_that_is_counted_again_keeps_its_first_time():
    again = LIVENESS | {"count": 2, "lastTimestamp": "2026-01-01T03:00:00Z"}
    assert len(server_container.crashes(restarted(137), [again], None)) == 1


def test_events_are_read_only_where_the_exit_code_does_not_say_who_ended_it_and_only_for_recent_ends():
    assert not server_container.needs_events(restarted(1), AT)
    assert not server_container.needs_events(restarted(137, "OOMKilled"), AT)
    assert not server_container.needs_events(pod(RUNNING), AT)
    assert not server_container.needs_events(restarted(137), AT + timedelta(minutes=11))


@pytest.mark.parametrize(
    ("node", "counted"),
    [
        (None, 1),
        (NodeSeen(is_ready=True, ready_since=T0), 1),
        (NodeSeen(is_ready=True), 1),
        (NodeSeen(is_ready=True, ready_since=AT + timedelta(seconds=20)), 0),
        (NodeSeen(is_ready=True, ready_since=AT - timedelta(seconds=20)), 0),
        (NodeSeen(is_ready=False, ready_since=T0), 0),
        (DELETED, 0),
    ],
    ids=["unknown", "ready long before", "no time", "was away", "has just come back", "is away", "is deleted"],
)
def test_an_end_while_the_node_was_not_ready_is_no_crash(node, counted):
    assert len(server_container.crashes(restarted(1), (), node)) == counted


def test_each_end_has_one_number_also_while_the_container_waits_for_its_next_start():
    def numbers(server):
        return [crash.restart for crash in server_container.crashes(pod(server), (), None)]

    second = ended(1, at="2026-01-01T01:00:30Z")
    assert numbers({"restartCount": 0, "state": ended(1)}) == [0]
    assert numbers({"restartCount": 1, "lastState": ended(1)} | RUNNING) == [0]
    assert numbers({"restartCount": 1, "lastState": ended(1), "state": second}) == [0, 1]
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    assert numbers({"restartCount": 1, "lastState": second, "state": waiting}) == [1]
    assert numbers({"restartCount": 2, "lastState": second} | RUNNING) == [1]


def test_only_the_server_container_makes_a_pod_started_and_running():
    proxy = {
        "name": "proxy",
        "containerID": "containerd://2",
        "state": {"running": {"startedAt": "2026-01-01T02:00:00Z"}},
    }
    creating = {"containerID": "", "state": {"waiting": {"reason": "ContainerCreating"}}}
    assert not server_container.has_started(pod(creating, proxy))
    assert server_container.running_since(pod(creating, proxy)) is None
    assert server_container.has_started(pod(RUNNING, proxy))
    assert server_container.running_since(pod(RUNNING, proxy)) == AT + timedelta(seconds=1)
    assert server_container.has_started(pod({"restartCount": 1, "containerID": ""}))


def test_a_node_is_read_from_its_conditions():
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    assert NodeSeen.of({"status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, ready]}}) == NodeSeen(
        is_ready=True, ready_since=T0
    )
    assert not NodeSeen.of({"status": {"conditions": [ready | {"status": "Unknown"}]}}).is_ready
    assert NodeSeen.of({}) == NodeSeen(is_ready=False)
