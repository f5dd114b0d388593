"""Rollouts with the real images: server pods on a kubelet, traffic through the Service and to pods."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from e2e.conftest import canary, every_stage_began_once, seconds_between

from serin_demo.commands import CommandError
from serin_demo.installation import OPERATOR_NAMESPACE

pytestmark = pytest.mark.node

CONFIRMED_WITHIN = 5.0
"""Seconds from a verdict to the last pod's confirmation. Idle, it is half a second; CI machines are busy."""
REPLACED_WITHIN = 60.0
"""Seconds in which a rolling update replaces two pods: each is ready in 4 s and lingers for 6 s."""


def leader(installed):
    """Return the name of the pod that holds the Lease."""
    found = installed.kubectl("get", "lease", "serin-operator-leader", "-n", OPERATOR_NAMESPACE, "-o", "json")
    return json.loads(found)["spec"]["holderIdentity"]


def test_two_operators_run_as_the_restricted_profile_demands(installed):
    found = json.loads(installed.kubectl("get", "pods", "-n", OPERATOR_NAMESPACE, "-o", "json"))["items"]
    pods = [one for one in found if "deletionTimestamp" not in one["metadata"]]
    containers = [one for pod in pods for one in pod["status"]["containerStatuses"]]
    assert [(one["ready"], one["restartCount"]) for one in containers] == [(True, 0)] * 2
    assert leader(installed) in [one["metadata"]["name"] for one in pods]
    namespace = json.loads(installed.kubectl("get", "namespace", OPERATOR_NAMESPACE, "-o", "json"))
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    script = "print(open('/proc/self/status').read())"
    inside = installed.kubectl(
        "exec", "-n", OPERATOR_NAMESPACE, leader(installed), "--", "python", "-c", script
    ).splitlines()
    status = dict(line.split(":\t", 1) for line in inside if ":\t" in line)
    assert status["Uid"].split() == ["65532"] * 4
    assert (status["NoNewPrivs"], status["Seccomp"], int(status["CapEff"], 16)) == ("1", "2", 0)


def test_namespaces_of_operator_and_servers_refuse_other_pods(rollout):
    for namespace in (OPERATOR_NAMESPACE, rollout.namespace):
        with pytest.raises(CommandError, match="violates PodSecurity"):
            rollout.installed.kubectl("run", "root", "--image=localhost/pause:1", "-n", namespace)


def test_a_good_run_reaches_all_users_and_a_bad_one_is_rolled_back_at_50_percent(rollout, registry):
    rollout.apply(registry.good)
    traffic = rollout.send(registry.traffic)
    status = rollout.wait_for_phase("Promoted", seconds=180)
    assert [entry["percent"] for entry in status["history"] if entry["event"] == "StepAdvanced"] == [10, 50, 100]
    rollout.apply(registry.terse, canary=canary("3s", 10, 50, 100))
    rollout.wait_for_stage(50, seconds=120)
    traffic.is_garbled.set()
    status = rollout.wait_for_phase("RolledBack", seconds=120)
    assert status["stable"]["runID"] == registry.good
    (*_, last) = status["history"]
    assert (last["event"], last["runID"]) == ("GateFailed", registry.terse)
    assert max(entry.get("percent", 0) for entry in status["history"] if entry["runID"] == registry.terse) == 50
    took = seconds_between(last["at"], status["propagation"]["confirmedAt"])
    print(f"rollback at 50 %: every pod has confirmed {took:.2f} s after the verdict")  # noqa: T201
    assert took < CONFIRMED_WITHIN
    assert traffic.failed == 0


def test_an_operator_killed_in_mid_rollout_goes_on_without_an_early_step(rollout, registry, node):
    rollout.apply(registry.good, canary=canary("8s", 10, 100))
    traffic = rollout.send(registry.traffic)
    for percent in (0, 10):
        rollout.wait_for_stage(percent, seconds=120)
        place = (leader(rollout.installed), "-n", OPERATOR_NAMESPACE)
        pod = json.loads(rollout.installed.kubectl("get", "pod", *place, "-o", "json"))
        container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
        node.ctr("tasks", "kill", "--signal", "SIGKILL", container)
    history = rollout.wait_for_phase("Promoted", seconds=180)["history"]
    every_stage_began_once(history, percents=[0, 10, 100], soak=8)
    assert traffic.failed == 0


@pytest.fixture
def served(rollout, registry):
    """A rollout whose two pods serve requests that come through the Service."""
    rollout.apply(registry.good, canary=canary("1h", 10))
    rollout.wait_for_stage(0, seconds=120)
    rollout.send_to_service(registry.traffic)
    rollout.lost_nothing()
    return rollout


def test_an_evicted_pod_loses_no_request(served):
    (first, _) = sorted(pod["metadata"]["name"] for pod in served.pods())
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": first}}
    path = f"/api/v1/namespaces/{served.namespace}/pods/{first}/eviction"
    served.installed.kubectl("create", "--raw", path, "-f", "-", text=json.dumps(eviction))
    served.wait(lambda _: first not in names(served) and served.is_ready(), what="another pod")
    served.lost_nothing()


def test_a_drained_node_keeps_a_pod_and_loses_no_request(served):
    selector = f"--pod-selector=serin.dev/model={served.name}"
    with pytest.raises(CommandError, match=r"disruption budget|timed out|timeout"):
        served.installed.kubectl("drain", "serin", selector, "--delete-emptydir-data", "--timeout=12s")
    try:
        assert len(served.addresses()) == 1
    finally:
        served.installed.kubectl("uncordon", "serin")
    served.wait(lambda _: served.is_ready(), what="two pods again")
    served.lost_nothing()


def test_a_rolling_update_under_load_loses_no_request(served, registry):
    before, began = names(served), time.monotonic()
    server = served.resource(registry.good)["spec"]["server"]
    resources = {"limits": {"memory": "900Mi"}}
    served.apply(registry.good, canary=canary("1h", 10), server=server | {"resources": resources})
    served.wait(lambda _: before.isdisjoint(names(served)) and served.is_ready(), seconds=120, what="new pods")
    took = time.monotonic() - began
    print(f"rolling update of two pods: {took:.1f} s, {served.traffic.sent} answers")  # noqa: T201
    served.lost_nothing()
    assert took < REPLACED_WITHIN


def names(rollout):
    return {pod["metadata"]["name"] for pod in rollout.pods()}


def test_a_node_that_goes_down_and_up_at_10_percent_rolls_nothing_back(rollout, registry, node):
    server = rollout.resource(registry.good)["spec"]["server"] | {"replicas": 4}
    steps = {"shadowSoak": "5s", "steps": [{"percent": 10, "soak": "1h"}]}
    rollout.apply(registry.good, canary=steps, server=server)
    rollout.wait_for_stage(0, seconds=120)
    rollout.send(registry.traffic)
    rollout.wait_for_stage(10, seconds=180)
    pid = kubelet_of(node)
    os.kill(pid, signal.SIGSTOP)
    try:
        for container in [container_of(pod) for pod in rollout.pods()]:
            node.ctr("tasks", "kill", "--signal", "SIGKILL", container)
        time.sleep(28)
    finally:
        os.kill(pid, signal.SIGCONT)

    def is_up_again(_status):
        statuses = [pod["status"]["containerStatuses"][0] for pod in rollout.pods()]
        return len(statuses) == 4 and all(one["restartCount"] == 1 and one["ready"] for one in statuses)

    rollout.wait(is_up_again, seconds=120, what="four pods that were restarted")
    status = rollout.wait(lambda status: status["propagation"]["confirmed"], seconds=60, what="confirmation")
    assert (status["candidate"]["state"], status["candidate"]["percent"]) == ("Running", 10)
    assert status.get("crashes", []) == []
    assert "CandidateCrashed" not in [entry["event"] for entry in status["history"]]


def container_of(pod):
    return pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")


def kubelet_of(node):
    """Return the process of this node's kubelet, as this machine numbers it."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        # The programs of Kubernetes are one file, whose first argument is the name of the program.
        if words[1:2] == [b"kubelet"] and str(node.directory).encode() in b" ".join(words):
            return int(path.parent.name)
    raise AssertionError("this node has no kubelet")
