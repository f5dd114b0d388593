"""One local cluster with the operator for all end-to-end tests, and a namespace for each test."""

import dataclasses
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from e2e import earlier_version
from e2e.check_endpoint import listening

from serin_core.api.packing import expanded
from serin_core.rollout import recording
from serin_demo import data
from serin_demo.commands import CommandError, run
from serin_demo.installation import OPERATOR_NAMESPACE, ROOT, Installation, is_ready
from serin_demo.traffic import Traffic
from serin_localcluster.cluster import OWN_IMAGES, given_cluster, start_cluster
from serin_localcluster.hanging import hanging_endpoint
from serin_localcluster.realnode.configuration import host

IMAGES = OWN_IMAGES | {
    "*crashing:*": [sys.executable, "-c", "raise SystemExit(3)"],
    "*serin-training:*": [str(Path(sys.executable).with_name("serin"))],
    "*exporter:*": [sys.executable, str(Path(__file__).with_name("exporter.py"))],
}
TOKEN = "token-of-the-tests"


@dataclasses.dataclass(frozen=True)
class Registry:
    """Runs that are trained once for all tests."""

    path: Path
    good: str
    outdated: str
    poor: str
    rules: str
    traffic: list


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """Train on synthetic transactions with the command line."""
    folder = tmp_path_factory.mktemp("registry")
    halves = synthetic(folder)
    # Few rows: training is slowest where there is nothing to learn.
    some = halves.training[-1200:]
    shuffled = [{**row, "category": other["category"]} for row, other in zip(some, reversed(some), strict=True)]
    kinds = {
        "good": halves.training,
        "outdated": data.outdated(halves.training),
        "poor": shuffled,
    }
    return Registry(**train(folder, kinds), traffic=list(halves.traffic))


def synthetic(folder):
    """Return transactions to train on, and later ones as traffic."""
    source = folder / "transactions.csv"
    run(["serin", "generate", "--rows", "8000", "--seed", "3", "--out", str(source)])
    return data.split(source)


def train(folder, kinds):
    """Train a run on each kind of rows; return their names, the registry's path, and rules that fit good."""
    names = {}
    for name, rows in kinds.items():
        data.write(folder / f"{name}.csv", rows)
        command = [
            "serin",
            "train",
            "-o",
            "json",
            "--data",
            str(folder / f"{name}.csv"),
            "--registry",
            str(folder / "runs"),
        ]
        names[name] = json.loads(run(command))["run_directory"]
    run(["serin", "rules", "suggest", "--data", str(folder / "good.csv"), "--out", str(folder / "rules.yaml")])
    return {"path": folder / "runs", "rules": (folder / "rules.yaml").read_text()} | names


def seconds_between(earlier, later):
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def every_stage_began_once(history, *, percents, soak):
    """Check that no soak was lost and none was cut short; `soak` is in seconds."""
    started = [(entry["percent"], entry["at"]) for entry in history if entry["event"] == "StageStarted"]
    raised = [(entry["percent"], entry["at"]) for entry in history if entry["event"] == "StepAdvanced"]
    assert [percent for percent, _ in started] == percents
    assert [percent for percent, _ in raised] == percents[1:]
    for (_, began), (_, ended) in zip(started, raised, strict=False):
        assert seconds_between(began, ended) >= soak


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The cluster of KUBECONFIG if SERIN_TEST_CLUSTER=1, else one for this session."""
    given = given_cluster()
    if given is not None:
        yield given
        return
    with start_cluster(
        directory=tmp_path_factory.mktemp("cluster") / "local",
        images=earlier_version.images(Path(tmp_path_factory.getbasetemp())) | IMAGES,
        scrape_interval_seconds=1,
        restart_backoff_seconds=1,
    ) as started:
        yield started


@pytest.fixture(scope="session")
def check_endpoint():
    """The endpoint `ci` of the operator's configuration."""
    with listening() as server:
        yield server


@pytest.fixture(scope="session")
def installed(cluster, check_endpoint):
    """The operator, installed as the README says."""
    # kustomize takes resources only from below the overlay's own root or by a relative path.
    work = ROOT / ".demo" / f"tests-{os.getpid()}"
    installation = Installation(kubeconfig=cluster.kubeconfig, directory=work)
    with hanging_endpoint() as hanging:
        endpoints = {"default": {"url": cluster.prometheus_url}, "hanging": {"url": hanging, "timeoutSeconds": 60}}
        configuration = check_endpoint.configuration | {"prometheus": endpoints}
        installation.install_operator(prometheus_url=cluster.prometheus_url, configuration=configuration)
        yield installation
    subprocess.run(["rm", "-rf", str(work)], check=True)


def canary(soak, *percents):
    """Return spec.canary with one soak for the shadow and every step."""
    return {"shadowSoak": soak, "steps": [{"percent": percent, "soak": soak} for percent in percents]}


def describe_operators(installed):
    """Return who holds the Lease, and the containers and the end of the log of each operator."""
    place = ("-n", OPERATOR_NAMESPACE)
    described = [installed.kubectl("get", "leases", *place)]
    for pod in json.loads(installed.kubectl("get", "pods", *place, "-o", "json"))["items"]:
        name = pod["metadata"]["name"]
        described.append(f"{name}: {json.dumps(pod['status'].get('containerStatuses'), indent=1)}")
        with suppress(CommandError):
            described.append(installed.kubectl("logs", name, *place, "--tail=30"))
    return "\n".join(described)


class Rollout:
    """One SuggestionModel in its own namespace, and what a user does with it."""

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
            # A few users make all traffic here, so low confidence depends on which of them are in the canary.
            "gates": {name: {"mode": "DryRun"} for name in ("lowConfidence", "feedback")},
        }
        return written | {
            "metadata": {"name": self.name, "namespace": self.namespace, "annotations": {"owner": "a user"}},
            "spec": spec | changes,
        }

    def apply(self, run_id, **changes):
        self.installed.apply(self.resource(run_id, **changes))

    def get(self):
        return self.installed.read_model(self.namespace, self.name)

    @property
    def status(self):
        return expanded(self.get().get("status", {}))

    def condition(self, kind="Ready"):
        return next((one for one in self.status.get("conditions", []) if one["type"] == kind), {})

    def events(self):
        found = self.installed.read(f"/api/v1/namespaces/{self.namespace}/events")["items"]
        return [one["reason"] for one in found if one["involvedObject"]["kind"] == "SuggestionModel"]

    def wait_for_events(self, *reasons):
        """Wait for Events: they are posted after the status is written."""
        self.wait(lambda _: set(reasons) <= set(self.events()), what=f"Events {', '.join(reasons)}")

    def record(self, trial, *, until=lambda record: record.ended_at):
        """Return the record of a trial, once something holds: it is written in the background."""
        deadline = time.monotonic() + 20
        while True:
            found = self.installed.read(f"/api/v1/namespaces/{self.namespace}/configmaps/{self.name}-trial-{trial}")
            record = recording.read(found["data"]["trial.json"])
            if until(record):
                return record
            assert time.monotonic() < deadline, record.transitions
            time.sleep(0.2)

    def wait(self, holds, *, seconds=60, what="the expected state"):
        """Poll the status until `holds(status)`; fail with the last status."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status
            if status and holds(status):
                return status
            if time.monotonic() > deadline:
                last = json.dumps({key: status.get(key) for key in ("phase", "candidate", "propagation")}, indent=1)
                ready = self.condition()
                operators = describe_operators(self.installed)
                pytest.fail(f"{what} did not come within {seconds} s: {ready.get('message')}\n{last}\n{operators}")
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

    def keeps_serving_by_the_model(self, *, transactions=2000):
        """Wait for more answers, some of them by the model, and check that no request has failed."""
        before, by_model = self.traffic.sent, self.traffic.sources["model"]

        def holds(_status):
            return self.traffic.sent - before >= transactions and self.traffic.sources["model"] > by_model

        self.wait(holds, what=f"{transactions} more answers, the model's among them")
        assert self.traffic.failed == 0

    def wait_for_reason(self, reason, **options):
        """Wait until the condition Ready has this reason; return the condition."""

        def holds(status):
            return any(one["type"] == "Ready" and one["reason"] == reason for one in status.get("conditions", []))

        self.wait(holds, what=f"reason {reason}", **options)
        return self.condition()

    def serin(self, verb, *more):
        """Run `kubectl serin VERB NAME` as a user; return what it prints."""
        command = ["kubectl-serin", verb, self.name, "-n", self.namespace, *more]
        return run(command, environment={"KUBECONFIG": str(self.cluster.kubeconfig)})

    def stays(self, holds, *, seconds=4):
        """Check that `holds(status)` is true for some seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert holds(self.status)
            time.sleep(0.5)

    def pods(self):
        return self.installed.read_pods(self.namespace, self.name)

    def addresses(self):
        return [f"{host(pod['status']['podIP'])}:8080" for pod in self.pods() if is_ready(pod)]

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
    """A namespace with everything that a SuggestionModel references."""
    made = Rollout(installed, cluster, f"test-{secrets.token_hex(4)}")
    made.prepare(registry)
    yield made
    made.close()


@pytest.fixture
def local(cluster):
    """The cluster, if tests may stop its parts."""
    if not cluster.is_local:
        pytest.skip("parts of an existing cluster are not stopped")
    return cluster


@pytest.fixture
def kill_operator(installed, local):
    """Return a function that kills the operator, as on a node without memory."""

    def kill():
        found = json.loads(installed.kubectl("get", "pods", "-n", "serin-system", "-o", "json"))["items"]
        for pod in found:
            for pid in local.pod_process_ids("serin-system", pod["metadata"]["name"]):
                os.kill(pid, signal.SIGKILL)

    return kill
