"""Memory of the operator's process beside the ConfigMaps of others, on a real API server.

With `SERIN_TEST_CONFIG_MAPS=400` and `-s` it prints the figure of docs/limits.md.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from serin_localcluster.cluster import start_cluster
from serin_localcluster.controlplane import free_port

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
COUNT = int(os.environ.get("SERIN_TEST_CONFIG_MAPS", "60"))
BYTES = 900_000
LIMIT_MIB = 120
"""The operator takes about 80 MiB without any; the text of 60 such ConfigMaps is 51 MiB, and read in full several times
that."""
MODEL = {
    "apiVersion": "serin.dev/v1alpha1",
    "kind": "SuggestionModel",
    "metadata": {"name": "categories", "namespace": "default"},
    "spec": {
        "runID": "run_1a2b3c4d_1767225600",
        "registry": {"volume": {"claimName": "registry"}},
        "server": {"token": {"secretName": "tokens"}, "rules": {"configMapName": "rules"}},
    },
}


class Process:
    """The operator's process, and a user with kubectl."""

    def __init__(self, folder, kubeconfig, **settings):
        self.kubeconfig, self.log = kubeconfig, folder / "operator.log"
        config = {"prometheus": {}, "server": {"image": "i"}, "host": "127.0.0.1", "port": free_port()} | settings
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [BIN / "serin-operator", "--config", folder / "config.yaml"],
                env=os.environ | {"KUBECONFIG": str(kubeconfig)},
                stderr=log,
            )

    def kubectl(self, *arguments, text=None):
        command = [BIN / "kubectl", "--kubeconfig", self.kubeconfig, *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout

    def put_rules(self, text):
        found = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rules"}, "data": {"rules.yaml": text}}
        self.kubectl("apply", "-f", "-", text=json.dumps(found))

    def wait_for_condition(self, holds, *, seconds=60):
        """Wait until a condition of the resource holds, and return the seconds that it took."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            found = json.loads(self.kubectl("get", "sgm", "categories", "-o", "json")).get("status", {})
            if any(holds(one) for one in found.get("conditions", ())):
                return time.monotonic() - start
            time.sleep(0.1)
        return pytest.fail(f"not within {seconds} s; the log ends: {self.log.read_text()[-3000:]}")

    def peak_mib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024

    def close(self):
        self.process.terminate()
        try:
            assert self.process.wait(timeout=20) == 0
        finally:
            self.process.kill()


def put_large_config_maps(kubeconfig):
    """Create the ConfigMaps, ten at a time."""
    for start in range(0, COUNT, 10):
        items = [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"large-{number}"},
                "data": {"text": f"{number} {'x' * BYTES}"},
            }
            for number in range(start, min(start + 10, COUNT))
        ]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        command = [BIN / "kubectl", "--kubeconfig", kubeconfig, "create", "-f", "-"]
        subprocess.run(command, input=text, text=True, check=True, capture_output=True)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A cluster with the CRD and large ConfigMaps."""
    with start_cluster(directory=tmp_path_factory.mktemp("crowded") / "local", images={}) as cluster:
        kubectl = [BIN / "kubectl", "--kubeconfig", cluster.kubeconfig]
        crd = str(ROOT / "crds" / "suggestionmodels.yaml")
        subprocess.run([*kubectl, "apply", "--server-side", "-f", crd], check=True, capture_output=True)
        put_large_config_maps(cluster.kubeconfig)
        established = ("--for=condition=Established", "crd/suggestionmodels.serin.dev", "--timeout=50s")
        subprocess.run([*kubectl, "wait", *established], check=True, capture_output=True)
        yield cluster


@pytest.mark.parametrize("namespaces", [[], ["default"]], ids=["all namespaces", "one namespace"])
def test_large_config_maps_of_others_take_no_memory_and_rules_among_them_are_noticed_at_once(
    tmp_path, crowded, namespaces
):
    made = Process(tmp_path, crowded.kubeconfig, namespaces=namespaces)
    try:
        made.kubectl("apply", "-f", "-", text=json.dumps(MODEL))
        made.wait_for_condition(lambda one: one["reason"] == "RulesUnavailable" and "not exist" in one["message"])
        made.put_rules("no rules")
        wrong = made.wait_for_condition(lambda one: "rules.yaml:" in one["message"])
        made.put_rules("classes: {Dining: [cafe]}")
        made.wait_for_condition(lambda one: one["type"] == "Ready" and one["reason"] != "RulesUnavailable")
        peak = made.peak_mib()
        print(f"{COUNT} ConfigMaps of {BYTES} bytes: peak {peak:.0f} MiB; rules seen in {wrong:.1f} s")  # noqa: T201
    finally:
        made.kubectl("delete", "sgm", "categories")
        made.kubectl("delete", "configmap", "rules")
        made.close()
    assert peak < LIMIT_MIB
    assert wrong < 5
