"""One local cluster for all end-to-end tests, with the operator of manifests/default; a namespace for each test."""

import dataclasses
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from serin_core.api.packing import expanded
from serin_demo import data
from serin_demo.commands import run
from serin_demo.installation import ROOT, Installation
from serin_demo.traffic import Traffic
from serin_localcluster.cluster import given_cluster, start_cluster

BIN = Path(sys.executable).parent
IMAGES = {
    "*serin-operator:*": [str(BIN / "serin-operator")],
    "*serin-server:*": [str(BIN / "serin-server")],
    "*crashing:*": [sys.executable, "-c", "raise SystemExit(3)"],
}
TOKEN = "token-of-the-tests"


@dataclasses.dataclass(frozen=True)
class Registry:
    """Runs that were trained once for all tests."""

    path: Path
    good: str
    better: str
    outdated: str
    poor: str
    rules: str
    traffic: list


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """Train on generated transactions, as a person would."""
    folder = tmp_path_factory.mktemp("registry")
    source = folder / "transactions.csv"
    run(["serin", "generate", "--rows", "8000", "--seed", "3", "--out", str(source)])
    halves = data.split(source)
    # Few of them: what cannot be learned takes the longest to learn.
    some = halves.training[-1200:]
    shuffled = [{**row, "category": other["category"]} for row, other in zip(some, reversed(some), strict=True)]
    kinds = {
        "good": halves.training,
        "better": list(halves.training)[:-1],
        "outdated": data.outdated(halves.training),
        "poor": shuffled,
    }
    names = {}
    for name, rows in kinds.items():
        data.write(folder / f"{name}.csv", rows)
        command = ["serin", "train", "--data", str(folder / f"{name}.csv"), "--registry", str(folder / "runs")]
        names[name] = json.loads(run(command))["run_directory"]
    run(["serin", "rules", "suggest", "--data", str(folder / "good.csv"), "--out", str(folder / "rules.yaml")])
    return Registry(
        path=folder / "runs", rules=(folder / "rules.yaml").read_text(), traffic=list(halves.traffic), **names
    )


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The cluster that is given, or one that is started for this session."""
    given = given_cluster()
    if given is not None:
        yield given
        return
    with start_cluster(
        directory=tmp_path_factory.mktemp("cluster") / "local",
        images=IMAGES,
        scrape_interval_seconds=1,
        restart_backoff_seconds=1,
    ) as started:
        yield started


@pytest.fixture(scope="session")
def installed(cluster):
    """The operator, installed as the README says."""
    # kustomize takes resources only from below the overlay's own root or by a relative path.
    work = ROOT / ".demo" / f"tests-{os.getpid()}"
    installation = Installation(kubeconfig=cluster.kubeconfig, directory=work)
    installation.install_operator(prometheus_url=cluster.prometheus_url)
    yield installation
    subprocess.run(["rm", "-rf", str(work)], check=True)


def canary(soak, *percents):
    """Answer spec.canary with one soak for the shadow and every step."""
    return {"shadowSoak": soak, "steps": [{"percent": percent, "soak": soak} for percent in percents]}


class Rollout:
    """One SuggestionModel in a namespace of its own, and what a person does with it."""

    def __init__(self, installed, cluster, namespace):
        self.installed, self.cluster, self.namespace, self.name = installed, cluster, namespace, "categories"
        self.traffic = None

    def kubectl(self, *arguments, text=None):
        return self.installed.kubectl(*arguments, "-n", self.namespace, text=text)

    def prepare(self, registry):
        storage = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
        volume = {"capacity": {"storage": "1Gi"}, "hostPath": {"path": str(registry.path)}}
        claim = {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": self.namespace}
        tokens = {"token": TOKEN, "admin-token": "admin", "event-key": "key"}
        meta = {"namespace": self.namespace}
        self.installed.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}},
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": self.namespace},
                "spec": storage | volume,
            },
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": meta | {"name": "registry"},
                "spec": storage | claim,
            },
            {"apiVersion": "v1", "kind": "Secret", "metadata": meta | {"name": "tokens"}, "stringData": tokens},
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": meta | {"name": "rules"},
                "data": {"rules.yaml": registry.rules},
            },
        )

    def resource(self, run_id, **changes):
        written = yaml.safe_load((ROOT / "examples" / "suggestionmodel.yaml").read_text())
        spec = written["spec"] | {
            "runID": run_id,
            "canary": canary("1s", 10, 50, 100),
            "analysis": {"interval": "1s"},
            # A handful of users makes all traffic here: who of them is in the canary decides what is doubted there.
            "gates": {"metrics": [{"name": name, "dryRun": True} for name in ("lowConfidence", "feedback")]},
        }
        return written | {
            "metadata": {"name": self.name, "namespace": self.namespace, "annotations": {"owner": "a person"}},
            "spec": spec | changes,
        }

    def apply(self, run_id, **changes):
        self.installed.apply(self.resource(run_id, **changes))

    def get(self):
        return json.loads(self.kubectl("get", "sgm", self.name, "-o", "json"))

    @property
    def status(self):
        return expanded(self.get().get("status", {}))

    def condition(self, kind="Ready"):
        return next((one for one in self.status.get("conditions", []) if one["type"] == kind), {})

    def events(self):
        found = json.loads(self.kubectl("get", "events", "-o", "json"))["items"]
        return [one["reason"] for one in found if one["involvedObject"]["kind"] == "SuggestionModel"]

    def wait(self, holds, *, seconds=60, what="the wanted state"):
        """Poll the status until `holds(status)`; what it was last is part of the failure."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status
            if status and holds(status):
                return status
            if time.monotonic() > deadline:
                told = json.dumps({key: status.get(key) for key in ("phase", "candidate", "propagation")}, indent=1)
                ready = self.condition()
                pytest.fail(f"{what} did not come within {seconds} s: {ready.get('message')}\n{told}")
            time.sleep(0.2)

    def wait_for_phase(self, phase, **options):
        def holds(status):
            return status.get("phase") == phase and status["propagation"].get("confirmed")

        return self.wait(holds, what=f"phase {phase}", **options)

    def wait_for_stage(self, percent, **options):
        def holds(status):
            candidate = status.get("candidate") or {}
            return candidate.get("percent") == percent and "stageStartedAt" in candidate

        return self.wait(holds, what=f"the stage at {percent} %", **options)

    def goes_on_answering_by_the_model(self, *, transactions=2000):
        """Wait for so many more answers, the model's among them, and check that no request failed so far."""
        before, by_model = self.traffic.sent, self.traffic.sources["model"]

        def holds(_status):
            return self.traffic.sent - before >= transactions and self.traffic.sources["model"] > by_model

        self.wait(holds, what=f"{transactions} more answers, the model's among them")
        assert self.traffic.failed == 0

    def pods(self):
        found = self.kubectl("get", "pods", "-l", f"serin.dev/model={self.name}", "-o", "json")
        return json.loads(found)["items"]

    def addresses(self):
        return [
            f"{pod['status']['podIP']}:8080"
            for pod in self.pods()
            if "deletionTimestamp" not in pod["metadata"]
            and any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
        ]

    def send(self, rows, rate=400):
        self.traffic = Traffic(rows=rows, token=TOKEN, rate=rate, addresses=self.addresses)
        self.traffic.start()
        return self.traffic

    def close(self):
        if self.traffic is not None:
            self.traffic.stop()
        self.installed.kubectl("delete", "namespace", self.namespace, "--wait=false")
        self.installed.kubectl("delete", "pv", self.namespace, "--wait=false")


@pytest.fixture
def rollout(installed, cluster, registry):
    """A namespace with everything that a SuggestionModel refers to."""
    made = Rollout(installed, cluster, f"test-{secrets.token_hex(4)}")
    made.prepare(registry)
    yield made
    made.close()


@pytest.fixture
def local(cluster):
    """The cluster, if its parts may be stopped."""
    if not cluster.is_local:
        pytest.skip("a given cluster is not taken apart")
    return cluster


@pytest.fixture
def kill_operator(installed, local):
    """Answer what ends the operator like kill -9, as a node that runs out of memory would."""

    def kill():
        found = json.loads(installed.kubectl("get", "pods", "-n", "serin-system", "-o", "json"))["items"]
        for pod in found:
            for pid in local.pod_process_ids("serin-system", pod["metadata"]["name"]):
                os.kill(pid, signal.SIGKILL)

    return kill
