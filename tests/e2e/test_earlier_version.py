"""An upgrade and a downgrade of CRD, operator and servers between an earlier commit and this one, in mid-rollout."""

import json
from pathlib import Path

import pytest
import yaml
from e2e.conftest import canary, seconds_between
from e2e.earlier_version import COMMIT, TAG, sources

from serin_demo.installation import OPERATOR_NAMESPACE, ROOT

pytestmark = pytest.mark.cluster
SOAK = 6
NAMES = ("serin-operator", "serin-server")


class Versions:
    """Installs either version: its CRD, its operator and its server image."""

    def __init__(self, installed, rollout, earlier):
        self._installed, self._rollout, self._earlier = installed, rollout, earlier
        config = self._config_map()
        self._present = yaml.safe_load(config["data"]["config.yaml"])["server"]["image"].rpartition(":")[2]

    def _config_map(self):
        found = json.loads(self._installed.kubectl("get", "configmaps", "-n", OPERATOR_NAMESPACE, "-o", "json"))
        return next(one for one in found["items"] if "config.yaml" in one.get("data", {}))

    def install(self, crds, tag):
        kubectl = self._installed.kubectl
        kubectl("apply", "--server-side", "--force-conflicts", "-f", str(crds / "suggestionmodels.yaml"))
        found = self._config_map()
        config = yaml.safe_load(found["data"]["config.yaml"])
        config["server"]["image"] = f"{config['server']['image'].rpartition(':')[0]}:{tag}"
        patch = json.dumps({"data": {"config.yaml": yaml.safe_dump(config)}})
        kubectl("patch", "configmap", found["metadata"]["name"], "-n", OPERATOR_NAMESPACE, "--type=merge", "-p", patch)
        image = f"ghcr.io/serin-dev/serin-operator:{tag}"
        deployment = json.loads(kubectl("get", "deployment", "serin-operator", "-n", OPERATOR_NAMESPACE, "-o", "json"))
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        kubectl("set", "image", "deployment/serin-operator", "-n", OPERATOR_NAMESPACE, f"{container['name']}={image}")
        kubectl("rollout", "status", "deployment/serin-operator", "-n", OPERATOR_NAMESPACE, "--timeout=180s")

    def earlier(self):
        self.install(self._earlier / "crds", TAG)

    def present(self):
        self.install(ROOT / "crds", self._present)

    def wait_for_servers(self, tag):
        def are_all(_status):
            images = {pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in self._rollout.pods()}
            return images == {tag} and len(self._rollout.addresses()) == len(self._rollout.pods())

        self._rollout.wait(are_all, seconds=240, what=f"servers of {tag}")


@pytest.fixture
def versions(installed, rollout, local, tmp_path_factory):
    found = sources(Path(tmp_path_factory.getbasetemp()))
    if found is None:
        pytest.skip(f"this checkout has no commit {COMMIT}")
    versions = Versions(installed, rollout, found)
    yield versions
    versions.present()


def check_soaks(history):
    """Check that nothing went on before a whole soak with the pods and the routing of its stage."""
    began = None
    for entry in history:
        if entry["event"] in ("StageStarted", "PodsReplaced"):
            began = entry["at"]
        if entry["event"] in ("StepAdvanced", "Promoted"):
            assert began is not None
            assert seconds_between(began, entry["at"]) >= SOAK, entry


def test_operator_crd_and_servers_change_versions_in_mid_rollout_and_nothing_is_early_or_lost(
    rollout, registry, versions
):
    versions.earlier()
    rollout.apply(registry.good, canary=canary(f"{SOAK}s", 10, 50, 100))
    rollout.wait_for_stage(0, seconds=180)
    versions.wait_for_servers(TAG)
    traffic = rollout.send(registry.traffic, rate=100)
    rollout.wait_for_stage(10, seconds=240)

    versions.present()
    versions.wait_for_servers(versions._present)
    rollout.wait_for_stage(50, seconds=240)

    versions.earlier()
    versions.wait_for_servers(TAG)
    status = rollout.wait_for_phase("Promoted", seconds=300)
    versions.present()
    versions.wait_for_servers(versions._present)
    rollout.stays(lambda found: found["phase"] == "Promoted", seconds=4)

    history = rollout.status["history"]
    check_soaks(history)
    events = [entry["event"] for entry in history]
    assert [entry["percent"] for entry in history if entry["event"] == "StepAdvanced"] == [10, 50, 100]
    assert events.count("RolloutStarted") == events.count("Promoted") == 1
    assert not {"GateFailed", "CandidateCrashed", "RoutingReverted", "RolloutRetried", "RolloutAborted"} & set(events)
    assert status["stable"]["runID"] == registry.good
    # Each stage was counted by pods of one version: what pods of the other had counted began again.
    replaced = [entry["at"] for entry in history if entry["event"] == "PodsReplaced"]
    assert len(replaced) >= 2
    record = rollout.record(status["trial"])
    assert [one.event for one in record.transitions if one.event == "StepAdvanced"] == ["StepAdvanced"] * 3
    for one in record.transitions:
        if one.event in ("StepAdvanced", "Promoted"):
            assert {gate.verdict for gate in one.gates if gate.role == "Acting"} == {"Pass"}
    assert traffic.failed == 0
