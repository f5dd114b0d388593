"""A later version of the operator beside this one, neither of which waits for the other, and without it again."""

import base64
import json
import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
import yaml
from e2e.conftest import canary, every_stage_began_once

from serin_core.api import packing
from serin_localcluster.controlplane import free_port

pytestmark = pytest.mark.cluster
NEWER = Path(__file__).with_name("newer_operator.py")


class Newer:
    """The process of a later version, with the configuration of the operator that is installed."""

    def __init__(self, rollout, directory):
        deployment = json.loads(rollout.installed.kubectl("get", "deploy", "-n", "serin-system", "-o", "json"))
        volumes = deployment["items"][0]["spec"]["template"]["spec"]["volumes"]
        name = next(one["configMap"]["name"] for one in volumes if "configMap" in one)
        found = json.loads(rollout.installed.kubectl("get", "configmap", name, "-n", "serin-system", "-o", "json"))
        own = {"namespaces": [rollout.namespace], "host": "127.0.0.1", "port": free_port()}
        config = yaml.safe_load(found["data"]["config.yaml"]) | own | {"leaderElection": {"enabled": False}}
        self._file, self._log = directory / "config.yaml", directory / "newer.log"
        self._file.write_text(yaml.safe_dump(config))
        # Keys of the operator are in its own namespace.
        self._environment = os.environ | {
            "KUBECONFIG": str(rollout.cluster.kubeconfig),
            "POD_NAMESPACE": "serin-system",
            "POD_NAME": "newer",
        }
        self._process = None

    def start(self):
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(NEWER), "--config", str(self._file)], env=self._environment, stdout=log, stderr=log
            )

    def end(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None


@pytest.fixture
def newer(rollout, local, tmp_path):
    found = Newer(rollout, tmp_path)
    yield found
    found.end()


def state(rollout):
    """Return the state in status, of whatever version."""
    packed = rollout.get()["status"][packing.STATE]
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def version(rollout):
    return state(rollout).get(packing.VERSION, 1)


def wait_for(holds, what, *, seconds=60):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.2)


def ready(rollout):
    return next(one for one in rollout.get()["status"]["conditions"] if one["type"] == "Ready")


def routing(rollout):
    return json.loads(rollout.kubectl("get", "configmap", f"{rollout.name}-routing", "-o", "json"))


def test_an_older_operator_changes_nothing_while_a_newer_one_rolls_out_and_goes_on_afterwards(rollout, registry, newer):
    rollout.apply(registry.good, canary=canary("4s", 10, 50, 100))
    traffic = rollout.send(registry.traffic)
    rollout.wait_for_stage(0)
    newer.start()
    wait_for(lambda: version(rollout) == 2, "a status of version 2")
    newer.end()

    # The newer one is gone in the middle of the canary: what it has decided stays.
    before = routing(rollout), state(rollout)
    rollout.kubectl("annotate", "sgm", rollout.name, "touched=by-somebody")
    wait_for(lambda: ready(rollout)["reason"] == "InvalidStatus", "InvalidStatus")
    message = ready(rollout)["message"]
    assert "has format version 2, which a newer version of Serin wrote; this one reads version 1" in message
    time.sleep(6)
    assert (routing(rollout), state(rollout)) == before

    newer.start()
    wait_for(lambda: version(rollout) == 1, "a status without a candidate", seconds=120)
    status = rollout.wait_for_phase("Promoted")
    every_stage_began_once(status["history"], percents=[0, 10, 50, 100], soak=4)
    newer.end()

    # Nothing of the later version is left: this one acts again.
    rollout.apply(registry.good, canary={"percent": 0})
    rollout.wait_for_phase("Stopped", seconds=90)
    assert rollout.status["history"][-1]["event"] == "EmergencyStop"
    assert traffic.failed == 0
