"""The whole operator beside a real API server: notifications over a kill, and nothing that holds it up."""

import copy
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml
from beside_cluster import wait_for_definitions
from deliveries.receiver import Receiver
from memory_cluster import SPEC

from serin_core.contract import names
from serin_localcluster.cluster import start_cluster
from serin_localcluster.controlplane import free_port

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[3]
KUBECTL = str(Path(sys.executable).parent / "kubectl")
CRD = "crd/suggestionmodels.serin.dev"
SECRET = "T0SECRET"
DESTINATIONS = ["apprise", "audit", "hangs", "nowhere"]


class Operator:
    """The operator's process, with a kubeconfig and destinations."""

    def __init__(self, kubeconfig, directory, destinations):
        self.kubeconfig, self.directory, self.port = str(kubeconfig), directory, free_port()
        settings = {"prometheus": {}, "server": {"image": "i"}, "host": "127.0.0.1", "port": self.port}
        (directory / "config.yaml").write_text(yaml.safe_dump(settings | {"notifications": destinations}))
        self.log, self.process = (directory / "log").open("w"), None

    def start(self):
        command = [sys.executable, "-m", "serin_operator.main", "--config", str(self.directory / "config.yaml")]
        environment = {**os.environ, "KUBECONFIG": self.kubeconfig}
        self.process = subprocess.Popen(command, env=environment, stderr=self.log)

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def metrics(self):
        return httpx.get(f"http://127.0.0.1:{self.port}/metrics").text

    def kubectl(self, *arguments, document=None):
        command = [KUBECTL, "--kubeconfig", self.kubeconfig, *arguments]
        text = None if document is None else json.dumps(document)
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, run_id, destinations=DESTINATIONS):
        spec = {**copy.deepcopy(SPEC), "runID": run_id, "notifications": destinations}
        metadata = {"name": "categories", "namespace": "default"}
        document = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": spec}
        self.kubectl("apply", "-f", "-", document=document)

    def condition(self):
        found = json.loads(self.kubectl("get", "sgm", "categories", "-n", "default", "-o", "json"))
        conditions = (found.get("status") or {}).get("conditions", [])
        return next((one["message"] for one in conditions if one["type"] == "NotificationsFailing"), "")


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def kinds(receiver, run):
    """Return the kinds of notifications about a run, of Apprise's own JSON or of CloudEvents."""
    bodies = [json.loads(body) for _, _, body in receiver.requests]
    data = [(one["data"]["kind"], str(one)) if "data" in one else (one["title"].split()[1], str(one)) for one in bodies]
    return {kind for kind, text in data if run in text}


def test_destinations_are_notified_over_a_kill_and_no_secret_is_shown(tmp_path):
    silent = socket.create_server(("127.0.0.1", 0))
    with (
        start_cluster(directory=tmp_path / "cluster", images={}) as cluster,
        Receiver() as chat,
        Receiver() as audit,
        silent,
    ):
        (tmp_path / "chat").write_text(f"json://user:{SECRET}@127.0.0.1:{chat.port}/{SECRET}")
        (tmp_path / "hangs").write_text(f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}")
        destinations = {
            "apprise": {"apprise": {"urlFile": str(tmp_path / "chat")}, "kinds": ["RolloutStarted"]},
            "audit": {"cloudEvents": {"url": audit.url}},
            "hangs": {"cloudEvents": {"urlFile": str(tmp_path / "hangs")}, "timeoutSeconds": 0.5},
        }
        operator = Operator(cluster.kubeconfig, tmp_path, destinations)
        operator.kubectl("apply", "--server-side", "-f", str(ROOT / "crds" / "suggestionmodels.yaml"))
        wait_for_definitions(operator.kubectl, "suggestionmodels.serin.dev")
        operator.start()
        operator.apply("run_aaaaaaaa_1")
        wait(lambda: {"RolloutStarted", "PodsLoading"} <= kinds(audit, "run_aaaaaaaa_1"))
        wait(lambda: kinds(chat, "run_aaaaaaaa_1") == {"RolloutStarted"})
        wait(lambda: "no nowhere (destinations: apprise, audit, hangs)" in operator.condition())
        assert operator.end(signal.SIGKILL) == -signal.SIGKILL
        operator.apply("run_bbbbbbbb_2", DESTINATIONS[:3])
        operator.start()
        wait(lambda: {"RolloutStarted", "PodsLoading"} <= kinds(audit, "run_bbbbbbbb_2"))
        wait(lambda: kinds(chat, "run_bbbbbbbb_2") == {"RolloutStarted"})
        wait(lambda: "hangs: no response within 0.5 s" in operator.condition())
        shown = operator.metrics()
        shown += operator.kubectl("get", "sgm,events.v1.events.k8s.io", "-n", "default", "-o", "yaml")
        assert operator.end(signal.SIGTERM) == 0
    shown += (tmp_path / "log").read_text()
    assert "NotificationsFailing" in shown
    assert 'serin_operator_notifications_total{destination="audit",outcome="delivered"}' in shown
    assert 'serin_suggestionmodel_wanted_percent{namespace="default",name="categories"' in shown
    assert SECRET not in shown
    assert len(audit.accepted) - len({one["id"] for one in audit.accepted}) <= 1
