"""The number of pods belongs to autoscalers: the real controller of Kubernetes scales in the middle of stages.

The operator never fights it, a rollout goes on, new pods confirm like all others, and none is removed as a straggler.
"""

import json

import pytest
from e2e.conftest import canary, every_stage_began_once
from e2e.metrics_api import served

pytestmark = pytest.mark.cluster
CPU = 100
"""Millicores that a pod requests: its usage in millicores is its utilization in percent."""
TARGET = 50
SERVER = {"resources": {"requests": {"cpu": f"{CPU}m", "memory": "512Mi"}}}
BUSY = {name: {"mode": "DryRun"} for name in ("availability", "errors", "latency", "lowConfidence", "feedback")}
"""Gates that fail where pods start on a busy machine; what they find is tested elsewhere."""
MANAGED_BY = "app.kubernetes.io/managed-by"


@pytest.fixture(scope="module")
def metrics(cluster, installed, tmp_path_factory):
    if not cluster.is_local:
        pytest.skip("an existing cluster has metrics of its own")
    with served(cluster, installed, tmp_path_factory.mktemp("metrics")) as server:
        yield server


def autoscaler(rollout, target, **labels):
    """Return an autoscaler that somebody else has made."""
    utilization = {"type": "Utilization", "averageUtilization": TARGET}
    spec = {
        "scaleTargetRef": target | {"name": rollout.name},
        "minReplicas": 2,
        "maxReplicas": 3,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": utilization}}],
    }
    metadata = {"namespace": rollout.namespace, "name": "somebodys", "labels": labels}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}


def objects(rollout, kind):
    return json.loads(rollout.kubectl("get", kind, "-o", "json"))["items"]


def events(rollout, reason):
    """Return the messages of the Events of a reason, each as often as it happened."""
    found = [one for one in objects(rollout, "events") if one["reason"] == reason]
    return [one["message"] for one in found for _ in range(one.get("count") or 1)]


def wait_for_pods(rollout, number):
    """Wait until there are this many pods, and all serve what was decided."""

    def holds(status):
        return status.get("replicas") == number and status["propagation"].get("pods") == f"{number}/{number}"

    return rollout.wait(holds, seconds=90, what=f"{number} pods that serve the routing")


def roll_out(rollout, registry, grow, shrink, *, server):
    """Roll a run out to 50 % while the number of pods goes from 2 to 3 in the shadow, and back in the step."""
    others = {key: value for key, value in rollout.resource("x")["spec"]["server"].items() if key != "replicas"}
    rollout.apply(registry.good, canary=canary("1h", 50), server=others | SERVER | server, gates=BUSY)
    traffic = rollout.send(registry.traffic, rate=100)
    rollout.wait_for_stage(0)
    grow()
    wait_for_pods(rollout, 3)
    most = {pod["metadata"]["name"] for pod in rollout.pods()}
    rollout.serin("promote", "--reason", "the new pod has confirmed the stage")
    rollout.wait_for_stage(50)
    shrink()
    status = wait_for_pods(rollout, 2)
    every_stage_began_once(status["history"], percents=[0, 50], soak=0)
    assert traffic.failed == 0
    gone = most - {pod["metadata"]["name"] for pod in rollout.pods()}
    assert set(events(rollout, "SuccessfulDelete")) == {f"Deleted pod: {pod}" for pod in gone}
    assert len(gone) == 1
    assert not {"ChildReverted", "PodsBehind", "PodsReplaced", "WritesConflict"} & set(rollout.events())


def rescales(rollout):
    return [note.partition(";")[0] for note in events(rollout, "SuccessfulRescale")]


def scale_by_usage(rollout, metrics):
    metrics.millicores[rollout.namespace] = TARGET

    def use(millicores):
        metrics.millicores[rollout.namespace] = millicores

    return {"grow": lambda: use(4 * TARGET), "shrink": lambda: use(TARGET // 10)}


def operator_owns_replicas(rollout):
    deployment = json.loads(rollout.kubectl("get", "deployment", rollout.name, "--show-managed-fields", "-o", "json"))
    fields = deployment["metadata"]["managedFields"]
    return any(
        "f:replicas" in one["fieldsV1"].get("f:spec", {}) for one in fields if one["manager"] == "serin-operator"
    )


def test_the_autoscaler_of_the_spec(rollout, registry, metrics):
    wanted = {"minReplicas": 2, "maxReplicas": 3, "cpuUtilization": TARGET}
    roll_out(rollout, registry, **scale_by_usage(rollout, metrics), server={"autoscaling": wanted})
    assert rescales(rollout) == ["New size: 3", "New size: 2"]
    assert not operator_owns_replicas(rollout)


def test_an_autoscaler_of_the_users_on_the_scale_subresource(rollout, registry, metrics):
    target = {"apiVersion": "serin.dev/v1alpha1", "kind": "SuggestionModel"}
    rollout.installed.apply(autoscaler(rollout, target))
    roll_out(rollout, registry, **scale_by_usage(rollout, metrics), server={"replicas": 2})
    assert rescales(rollout) == ["New size: 3", "New size: 2"]
    assert rollout.get()["spec"]["server"]["replicas"] == 2


def test_an_autoscaler_that_keda_made_for_the_deployment(rollout, registry, metrics):
    target = {"apiVersion": "apps/v1", "kind": "Deployment"}
    rollout.installed.apply(autoscaler(rollout, target, **{MANAGED_BY: "keda-operator"}))
    roll_out(rollout, registry, **scale_by_usage(rollout, metrics), server={})
    assert rescales(rollout) == ["New size: 3", "New size: 2"]
    assert not operator_owns_replicas(rollout)


def test_kubectl_scale_of_the_resource_and_after_the_number_has_left_the_spec_of_the_deployment(rollout, registry):
    def scale_resource():
        rollout.kubectl("scale", f"suggestionmodel/{rollout.name}", "--replicas=3")

    def scale_deployment():
        number = {"spec": {"server": {"replicas": None}}}
        rollout.kubectl("patch", "suggestionmodel", rollout.name, "--type=merge", "-p", json.dumps(number))
        rollout.wait(lambda status: status["observedGeneration"] == rollout.get()["metadata"]["generation"])
        rollout.kubectl("scale", f"deployment/{rollout.name}", "--replicas=2")

    roll_out(rollout, registry, scale_resource, scale_deployment, server={"replicas": 2})
    assert not operator_owns_replicas(rollout)
    (deployment,) = objects(rollout, "deployment")
    assert deployment["metadata"]["generation"] == 3, "created, and scaled twice"
