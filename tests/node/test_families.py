"""A whole rollout on nodes whose pods have IPv6 addresses, alone or beside IPv4."""

import secrets

import pytest
from e2e.conftest import canary
from node.conftest import NodeInstallation, NodeRollout, image_archives

from serin_demo.commands import run
from serin_demo.installation import ROOT
from serin_localcluster.realnode.node import start_node

pytestmark = pytest.mark.node


@pytest.mark.parametrize("family", ["ipv6", "dual"])
def test_a_run_is_promoted_and_withdrawn(allowed, registry, tmp_path, family):
    with start_node(directory=tmp_path / "real", family=family) as node:
        node.import_images(image_archives())
        with node.network():
            installation = NodeInstallation(kubeconfig=node.kubeconfig, directory=ROOT / ".demo")
            installation.install()
            rollout = NodeRollout(installation, node, f"test-{secrets.token_hex(4)}")
            rollout.prepare(registry)
            rollout.apply(registry.good, canary=canary("2s", 50, 100))
            traffic = rollout.send(registry.traffic)
            try:
                rollout.wait_for_phase("Promoted", seconds=120)
                assert all((":" in pod["status"]["podIP"]) == (family == "ipv6") for pod in rollout.pods())
                rollout.apply(registry.terse, canary=canary("1h", 50))
                rollout.wait_for_stage(0, seconds=120)
                command = ["serin", "abort", rollout.name, "-n", rollout.namespace]
                run(command, environment={"KUBECONFIG": str(node.kubeconfig)})
                assert rollout.wait_for_phase("RolledBack")["stable"]["runID"] == registry.good
                assert traffic.failed == 0
            finally:
                traffic.stop()
