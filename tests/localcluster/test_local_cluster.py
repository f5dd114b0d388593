"""The local cluster: pods behave as on a kubelet, and nothing is left running."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from serin_localcluster.cluster import ClusterStartError, start_cluster, stop_leftover
from serin_localcluster.supervisor import STATE, start_time

pytestmark = pytest.mark.cluster

KUBECTL = str(Path(sys.executable).parent / "kubectl")
WEB = """
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {index.html: one}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 3
      containers:
        - name: web
          image: web:1
          args: [$(IP), --directory, /www]
          env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
          volumeMounts: [{name: www, mountPath: /www}]
      volumes: [{name: www, configMap: {name: web}}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {maxUnavailable: 0, selector: {matchLabels: {app: web}}}
---
apiVersion: v1
kind: Pod
metadata: {name: unknown}
spec: {containers: [{name: x, image: "nobody/knows:1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: failing}
spec: {containers: [{name: x, image: "failing:1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: done}
spec: {restartPolicy: OnFailure, containers: [{name: x, image: "ending:1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: failed}
spec: {restartPolicy: Never, containers: [{name: first, image: "failing:1"}, {name: second, image: "ending:1"}]}
"""
IMAGES = {
    "web:*": [sys.executable, "-m", "http.server", "8080", "--bind"],
    "failing:*": [sys.executable, "-c", "print('failed on purpose'); raise SystemExit(3)"],
    "ending:*": [sys.executable, "-c", "print('done')"],
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    directory = tmp_path_factory.mktemp("local") / "cluster"
    with start_cluster(directory=directory, images=IMAGES, restart_backoff_seconds=1) as started:
        kubectl(started, "apply", "-f", "-", text=WEB)
        kubectl(started, "rollout", "status", "deployment/web", "--timeout=60s")
        yield started


def kubectl(cluster, *arguments, text=None, check=True):
    done = subprocess.run(
        [KUBECTL, "--kubeconfig", str(cluster.kubeconfig), *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout + (done.stderr if not check else "")


def until(holds, seconds=30):
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.1)
    return found


def pods(cluster, selector="app=web"):
    return json.loads(kubectl(cluster, "get", "pods", "-l", selector, "-o", "json"))["items"]


def container(cluster, pod):
    found = json.loads(kubectl(cluster, "get", "pod", pod, "-o", "json"))["status"].get("containerStatuses")
    return found[0] if found else {}


def test_each_pod_has_its_own_address(cluster):
    addresses = {pod["status"]["podIP"] for pod in pods(cluster)}
    assert len(addresses) == 2
    assert all(address.startswith("127.77.") for address in addresses)


def test_a_pod_that_is_not_restarted_succeeds_or_fails_once_all_of_its_containers_have_ended(cluster):
    def phase(pod):
        return kubectl(cluster, "get", "pod", pod, "-o", "jsonpath={.status.phase}")

    until(lambda: phase("done") == "Succeeded" and phase("failed") == "Failed")
    restarts = "jsonpath={.status.containerStatuses[*].restartCount}"
    assert kubectl(cluster, "get", "pod", "failed", "-o", restarts) == "0 0"


def test_a_changed_config_map_arrives_at_once_when_the_pod_is_annotated(cluster):
    kubectl(cluster, "patch", "configmap", "web", "--type=merge", "-p", '{"data": {"index.html": "two"}}')
    kubectl(cluster, "annotate", "pods", "-l", "app=web", "poke=1")
    folder = cluster.directory / "node" / "pods"
    until(lambda: {file.read_text() for file in folder.glob("*/volumes/www/index.html")} == {"two"}, seconds=5)


def test_logs_are_read_through_the_api_server(cluster):
    name = pods(cluster)[0]["metadata"]["name"]
    assert "GET /" in kubectl(cluster, "logs", name)


def test_a_container_that_fails_is_restarted_with_back_off_and_keeps_its_last_state(cluster):
    found = until(lambda: (one := container(cluster, "failing")).get("restartCount", 0) >= 2 and one)
    assert found["lastState"]["terminated"]["exitCode"] == 3
    until(lambda: container(cluster, "failing")["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")
    assert "failed on purpose" in kubectl(cluster, "logs", "failing", "--previous")


def test_an_unknown_image_cannot_be_pulled(cluster):
    until(lambda: container(cluster, "unknown").get("state", {}).get("waiting", {}).get("reason") == "ImagePullBackOff")


def test_a_killed_container_is_restarted(cluster):
    name = pods(cluster)[0]["metadata"]["name"]
    for pid in cluster.pod_process_ids("default", name):
        os.kill(pid, signal.SIGKILL)
    found = until(lambda: (one := container(cluster, name)).get("restartCount") == 1 and one.get("ready") and one)
    assert found["lastState"]["terminated"]["exitCode"] == 137


def test_an_eviction_respects_the_disruption_budget(cluster):
    name = pods(cluster)[0]["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
    path = f"/api/v1/namespaces/default/pods/{name}/eviction"
    output = kubectl(cluster, "create", "--raw", path, "-f", "-", text=json.dumps(body), check=False)
    assert "disruption budget" in output


def test_a_deleted_pod_is_ended_and_replaced(cluster):
    before = {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in pods(cluster)}
    name = next(iter(before.values()))
    pids = cluster.pod_process_ids("default", name)
    kubectl(cluster, "delete", "pod", name)
    assert all(start_time(pid) is None for pid in pids)
    until(lambda: len([pod for pod in pods(cluster) if pod["metadata"]["uid"] not in before]) == 1)


def test_rbac_is_enforced(cluster):
    output = kubectl(
        cluster, "auth", "can-i", "list", "secrets", "--as=system:serviceaccount:default:default", check=False
    )
    assert output.startswith("no")


def test_prometheus_is_stopped_and_comes_back_at_the_same_address(cluster):
    def answers():
        return subprocess.run(["curl", "-sf", f"{cluster.prometheus_url}/-/ready"], capture_output=True, check=False)

    cluster.stop_prometheus()
    assert answers().returncode != 0
    cluster.start_prometheus()
    assert answers().returncode == 0


def children(pid):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    direct = [int(line) for line in found.split()]
    return direct + [grandchild for child in direct for grandchild in children(child)]


STARTER = """
import sys, time
from pathlib import Path
from serin_localcluster.cluster import start_cluster
start_cluster(directory=Path(sys.argv[1]), images={})
print("up", flush=True)
time.sleep(600)
"""


def start_elsewhere(directory):
    caller = subprocess.Popen([sys.executable, "-c", STARTER, str(directory)], stdout=subprocess.PIPE, text=True)
    assert caller.stdout.readline() == "up\n"
    supervisor = json.loads((directory / STATE).read_text())["pid"]
    started = [(pid, start_time(pid)) for pid in (supervisor, *children(supervisor))]
    assert len(started) >= 5
    return caller, started


def test_when_its_caller_is_killed_everything_ends(tmp_path):
    caller, started = start_elsewhere(tmp_path / "cluster")
    caller.kill()
    caller.wait()
    until(lambda: all(start_time(pid) != at for pid, at in started))


def test_when_the_supervisor_is_killed_everything_ends(tmp_path):
    caller, started = start_elsewhere(tmp_path / "cluster")
    os.kill(started[0][0], signal.SIGKILL)
    until(lambda: all(start_time(pid) != at for pid, at in started))
    caller.kill()
    caller.wait()


def test_a_second_start_ends_what_the_first_one_left(tmp_path):
    directory = tmp_path / "cluster"
    start_cluster(directory=directory, images={}, is_detached=True)
    supervisor = json.loads((directory / STATE).read_text())["pid"]
    first = [(pid, start_time(pid)) for pid in (supervisor, *children(supervisor))]
    with start_cluster(directory=directory, images={}):
        assert all(start_time(pid) != at for pid, at in first)
    assert not stop_leftover(directory)


def test_a_part_that_does_not_start_is_named_with_its_log(tmp_path, monkeypatch):
    version = '[ "$1" = --version ] && echo "version 99.0" && exit'
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "prometheus"):
        install(tmp_path / "assets" / name, f"{version}\necho out of luck\nexit 7")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    with pytest.raises(ClusterStartError, match=r"(?s)ended with 7.*out of luck"):
        start_cluster(directory=tmp_path / "cluster", images={})


def install(program, script):
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
