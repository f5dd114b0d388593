"""Pods that cannot confirm: a ready one that the operator cannot reach, and one on a node that is away for good."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NODE = "away"
AWAY = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting."}


def posted(rollout, reason):
    found = json.loads(rollout.kubectl("get", "events", "-o", "json"))["items"]
    return [one["message"] for one in found if one["reason"] == reason]


def test_a_ready_pod_that_does_not_respond_is_named_and_not_written_again_and_again(rollout, registry):
    """The operator is told to use TLS, which the pod does not speak: like mTLS of a mesh that exempts probes."""
    rollout.apply(registry.good, canary={"shadowSoak": "1h"})
    rollout.wait_for_stage(0)
    pod = rollout.pods()[0]["metadata"]["name"]
    rollout.kubectl("annotate", "pod", pod, "prometheus.io/scheme=https", "--overwrite")
    rollout.wait(lambda _: rollout.condition("PodsUnreachable"), seconds=60, what="PodsUnreachable")
    message = rollout.condition("PodsUnreachable")["message"]
    assert message.startswith(f"{pod} on node local (")
    assert "ready, but no response to the operator" in message
    assert rollout.condition()["reason"] == "PodsUnreachable"
    rollout.wait(lambda _: len(posted(rollout, "PodsUnreachable")) == 1, seconds=10, what="the Event")
    version = rollout.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.resourceVersion}")
    rollout.apply(registry.good, canary={"shadowSoak": "1h", "percent": 50})
    rollout.wait(lambda status: status["observedGeneration"] == 2, seconds=15, what="the edit")
    after = rollout.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.resourceVersion}")
    assert after == version
    rollout.kubectl("annotate", "pod", pod, "prometheus.io/scheme=http", "--overwrite")
    rollout.wait(lambda _: not rollout.condition("PodsUnreachable"), seconds=30, what="the end of PodsUnreachable")


@pytest.fixture
def lost_pod(rollout, registry):
    """A pod of a rollout in shadow, on a node that has stopped reporting: nobody runs it, and nobody ends it."""
    rollout.apply(registry.good, canary={"shadowSoak": "2s"}, analysis={"interval": "1s"})
    rollout.wait_for_stage(0)
    rollout.installed.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
    status = {"status": {"conditions": [AWAY]}}
    rollout.installed.kubectl("patch", "node", NODE, "--subresource=status", "--type=merge", "-p", json.dumps(status))
    real = rollout.pods()[0]
    labels = {key: value for key, value in real["metadata"]["labels"].items() if key != "pod-template-hash"}
    container = {"name": "server", "image": real["spec"]["containers"][0]["image"]}
    metadata = {"name": "lost", "namespace": rollout.namespace, "labels": labels}
    metadata["annotations"] = real["metadata"]["annotations"]
    rollout.installed.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"nodeName": NODE, "containers": [container]},
        }
    )
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    seen = {
        "name": "server",
        "image": container["image"],
        "imageID": "",
        "containerID": "containerd://1",
        "ready": False,
        "restartCount": 0,
        "state": running,
    }
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"status": {"phase": "Running", "podIP": "192.0.2.1", "conditions": [ready], "containerStatuses": [seen]}}
    rollout.kubectl("patch", "pod", "lost", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    rollout.wait(lambda _: rollout.condition("PodsUnreachable"), seconds=60, what="PodsUnreachable")
    yield "lost"
    rollout.installed.kubectl("delete", "node", NODE, "--ignore-not-found")
    rollout.kubectl("delete", "pod", "lost", "--ignore-not-found", "--force", "--grace-period=0")


def test_a_rollout_waits_for_a_pod_of_a_node_that_is_away_until_a_user_declares_it_dead(rollout, lost_pod, registry):
    assert f"{lost_pod} on node {NODE} (192.0.2.1): the node is not ready" in rollout.condition()["message"]
    rollout.kubectl("delete", "pod", lost_pod, "--wait=false")
    rollout.send(registry.traffic)
    command = [Path(sys.executable).parent / "serin", "forget-pod", rollout.name, lost_pod, "-n", rollout.namespace]
    said = subprocess.run(
        [*command, "--yes", "--reason", "scrapped"],
        env=os.environ | {"KUBECONFIG": str(rollout.cluster.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(f"Done: {lost_pod} on node {NODE} is declared dead")
    rollout.wait(lambda _: not rollout.condition("PodsUnreachable"), seconds=30, what="the end of PodsUnreachable")
    assert lost_pod not in [pod["metadata"]["name"] for pod in rollout.pods()]
    assert any("scrapped" in message for message in posted(rollout, "PodForgotten"))
    rollout.wait_for_stage(10)


def test_pods_of_a_node_that_is_out_of_service_are_no_longer_waited_for(rollout, lost_pod):
    rollout.installed.kubectl("taint", "node", NODE, "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute")
    rollout.wait(lambda _: not rollout.condition("PodsUnreachable"), seconds=30, what="the end of PodsUnreachable")
    assert lost_pod not in [pod["metadata"]["name"] for pod in rollout.pods()]
