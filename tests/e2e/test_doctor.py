"""`kubectl serin doctor` on a real API server: an installation in order, one with faults, and a user without rights."""

import json
import os
import subprocess

import pytest
import yaml

from serin_demo.commands import BIN

pytestmark = pytest.mark.cluster


def doctor(rollout, *arguments, kubeconfig=None):
    """Return what it finds, by check, and its whole output."""
    command = ["kubectl-serin", "doctor", rollout.name, "-n", rollout.namespace, "-o", "json", *arguments]
    environment = os.environ | {"KUBECONFIG": str(kubeconfig or rollout.cluster.kubeconfig)}
    ended = subprocess.run(
        [str(BIN / command[0]), *command[1:]], check=False, capture_output=True, text=True, env=environment
    )
    assert (ended.stderr, ended.returncode in (0, 1)) == ("", True)
    printed = json.loads(ended.stdout)
    assert ended.returncode == (printed["problems"] > 0)
    found = {}
    for one in printed["results"]:
        found.setdefault(one["check"], []).append(one)
    return found, printed


def outcomes(found, check):
    return {one["outcome"] for one in found[check]}


def viewer(rollout, directory):
    """Return the kubeconfig of an account that has the ClusterRole serin-view only."""
    account = {"name": "viewer", "namespace": rollout.namespace}
    rollout.installed.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    rollout.kubectl(
        "create", "rolebinding", "viewer", "--clusterrole=serin-view", f"--serviceaccount={rollout.namespace}:viewer"
    )
    token = rollout.kubectl("create", "token", "viewer").strip()
    given = yaml.safe_load(rollout.cluster.kubeconfig.read_text())
    given["users"][0]["user"] = {"token": token}
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(given))
    return kubeconfig


def test_an_installation_in_order_a_viewer_and_faults(rollout, registry, tmp_path):
    rollout.send(registry.traffic)
    rollout.apply(registry.good)
    rollout.wait_for_phase("Promoted", seconds=150)
    found, printed = doctor(rollout)
    assert printed["problems"] == 0, printed
    for check in ("resource definition", "operator", "leader", "your rights", "rollout", "pods", "routing", "inputs"):
        assert outcomes(found, check) == {"ok"}, found[check]
    # An API server forwards nothing to loopback addresses, which the pods of the local cluster have.
    unread = [one for ones in found.values() for one in ones if one["outcome"] == "unknown"]
    assert {one["found"].rpartition(": ")[2] for one in unread} <= {"address not allowed"}

    found, printed = doctor(rollout, kubeconfig=viewer(rollout, tmp_path))
    assert outcomes(found, "pods") == {"unknown"}
    assert 'cannot list resource "pods"' in found["pods"][0]["found"]
    assert outcomes(found, "inputs") == {"unknown"}
    assert {one["outcome"] for one in found["your rights"]} == {"ok", "warning"}
    assert printed["problems"] == 0

    denied = {"podSelector": {}, "policyTypes": ["Ingress"]}
    metadata = {"name": "deny", "namespace": rollout.namespace}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": denied}
    rollout.installed.apply(policy)
    rollout.kubectl("delete", "configmap", "rules")
    found, printed = doctor(rollout)
    assert outcomes(found, "network policies") == {"warning"}
    problems = [one["found"] for one in found["inputs"] if one["outcome"] == "problem"]
    assert any(one.startswith("ConfigMap rules (spec.server.rules.configMapName) does not exist") for one in problems)
    assert printed["problems"] >= 1
