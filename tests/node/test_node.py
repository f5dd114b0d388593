"""The node itself: it runs pods with addresses of every family, and leaves nothing when it ends."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import requests

from serin_demo.commands import run
from serin_localcluster.realnode.configuration import NETWORKS, PAUSE_IMAGE, host
from serin_localcluster.realnode.node import start_node

pytestmark = pytest.mark.node

OWN_NETWORK = os.open("/proc/self/ns/net", os.O_RDONLY)

POD = f"""
apiVersion: v1
kind: Pod
metadata: {{name: quiet, annotations: {{prometheus.io/scrape: "true", prometheus.io/port: "8080"}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{{name: quiet, image: "{PAUSE_IMAGE}", imagePullPolicy: Never}}]
"""


def traces(directory, keeper):
    """Return what a node has outside of its namespaces."""
    processes = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if str(directory).encode() in _content(path) and path.parent.name != str(os.getpid())
    ]
    # Other than glob, walk does not mind directories that are removed meanwhile.
    groups = [path for path, _, _ in os.walk("/sys/fs/cgroup") if path.endswith(f"/serin-node-{keeper}")]
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(directory) in line]
    files = [path.name for path in directory.iterdir() if path.name in ("files", "etcd", "prometheus")]
    return {"processes": processes, "groups": groups, "mounts": mounts, "files": files}


def rules_of_kube_proxy():
    """Return the number of its rules in this machine's own network: tests before may have entered a node's."""
    command = ["nsenter", f"--net=/proc/self/fd/{OWN_NETWORK}", "iptables-save"]
    return subprocess.run(command, capture_output=True, text=True, check=True, pass_fds=[OWN_NETWORK]).stdout.count(
        "KUBE-"
    )


def scraped(prometheus):
    """Return what Prometheus scrapes, as soon as it has found the one pod."""
    for _ in range(100):
        found = requests.get(f"{prometheus}/api/v1/targets", timeout=5).json()["data"]["activeTargets"]
        if found:
            return found[0]["scrapeUrl"]
        time.sleep(0.2)
    return None


def _content(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("family", NETWORKS)
def test_a_pod_has_an_address_of_every_family_and_is_found_and_the_end_of_one_process_leaves_nothing(
    allowed, tmp_path, family
):
    rules = rules_of_kube_proxy()
    links = sorted(path.name for path in Path("/sys/class/net").iterdir())
    directory = tmp_path / "real"
    with start_node(directory=directory, family=family) as node:
        environment = {"KUBECONFIG": str(node.kubeconfig)}
        with node.network():
            run(["kubectl", "apply", "-f", "-"], environment=environment, text=POD)
            run(["kubectl", "wait", "--for=condition=Ready", "pod/quiet", "--timeout=60s"], environment=environment)
            pod = json.loads(run(["kubectl", "get", "pod", "quiet", "-o", "json"], environment=environment))
            assert scraped(node.prometheus_url) == f"http://{host(pod['status']['podIP'])}:8080/metrics"
        kinds = {":" in one["ip"] for one in pod["status"]["podIPs"]}
        assert kinds == {"ipv4": {False}, "ipv6": {True}, "dual": {False, True}}[family]
        keeper = json.loads((directory / "keeper.json").read_text())["pid"]
        running = traces(directory, keeper)
        assert running["processes"]
        assert running["groups"]
        assert running["files"]
        assert sorted(path.name for path in Path("/sys/class/net").iterdir()) == links
        os.kill(node.holder, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while any((left := traces(directory, keeper)).values()) and time.monotonic() < deadline:
            time.sleep(0.2)
    assert not any(left.values()), left
    assert rules_of_kube_proxy() == rules
