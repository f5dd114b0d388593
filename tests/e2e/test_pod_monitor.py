"""A PodMonitor on a real API server, with the real CustomResourceDefinition and the operator's shipped rights."""

import json
import time
from pathlib import Path

import pytest
from beside_cluster import wait_for_definitions

pytestmark = pytest.mark.cluster

DEFINITION = Path(__file__).parent / "podmonitors.yaml"
NAME = "podmonitors.monitoring.coreos.com"


@pytest.fixture
def monitoring_api(installed):
    """Functions that add the API of the Prometheus Operator to the cluster and remove it; none is left afterwards."""

    def add():
        installed.kubectl("apply", "--server-side", "-f", str(DEFINITION))
        wait_for_definitions(installed.kubectl, NAME)

    def remove():
        installed.kubectl("delete", "crd", NAME, "--ignore-not-found", "--timeout=60s")

    yield add, remove
    remove()


def pod_monitors(rollout):
    return json.loads(rollout.kubectl("get", "podmonitors", "-o", "json"))["items"]


def wait_for(rollout, holds, what):
    """Wait for one PodMonitor of which something holds."""

    def found(_status):
        made = pod_monitors(rollout)
        return len(made) == 1 and holds(made[0])

    rollout.wait(found, what=what)
    return pod_monitors(rollout)[0]


def test_a_pod_monitor_comes_with_the_api_is_kept_as_it_should_be_and_goes_with_its_resource(
    rollout, registry, monitoring_api
):
    add, _ = monitoring_api
    rollout.apply(registry.good)
    rollout.wait_for_stage(0, seconds=90)
    add()
    made = wait_for(rollout, lambda one: one["spec"], "the PodMonitor")
    pods = rollout.kubectl("get", "pods", "-l", labels(made["spec"]["selector"]["matchLabels"]), "-o", "name")
    assert len(pods.split()) == rollout.get()["spec"]["server"]["replicas"]

    rollout.kubectl("patch", "podmonitor", rollout.name, "--type=merge", "-p", json.dumps({"spec": {"selector": {}}}))
    rollout.kubectl("label", "podmonitor", rollout.name, "team=payments")
    kept = wait_for(rollout, lambda one: one["spec"] == made["spec"], "the reverted edit")
    assert kept["metadata"]["labels"]["team"] == "payments"
    time.sleep(3)  # three checks of this rollout: none of them writes
    assert pod_monitors(rollout)[0]["metadata"]["resourceVersion"] == kept["metadata"]["resourceVersion"]

    rollout.kubectl("delete", "podmonitor", rollout.name)
    wait_for(rollout, lambda one: one["metadata"]["uid"] != made["metadata"]["uid"], "another PodMonitor")
    rollout.kubectl("delete", "sgm", rollout.name)
    deadline = time.monotonic() + 60
    while pod_monitors(rollout) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert pod_monitors(rollout) == []


def test_a_rollout_goes_on_where_the_api_is_removed(rollout, registry, monitoring_api):
    add, remove = monitoring_api
    add()
    rollout.apply(registry.good)
    wait_for(rollout, lambda one: one["spec"], "the PodMonitor")
    remove()
    rollout.send(registry.traffic)
    rollout.wait_for_phase("Promoted", seconds=90)
    assert rollout.condition()["reason"] == "Promoted"


def labels(found):
    return ",".join(f"{key}={value}" for key, value in found.items())
