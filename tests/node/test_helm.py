"""The chart with the real images: installed in place of the manifests, rolled out with, upgraded, and uninstalled."""

import json
import time

import pytest
from e2e.conftest import canary
from helm.chart import CHART, Helm
from node.conftest import MANIFESTS, RESTRICTED

from serin_demo.installation import OPERATOR_NAMESPACE
from serin_localcluster.build import build

pytestmark = pytest.mark.node

READY_WITHIN = 30.0
"""Seconds from `helm install` to a ready operator. Idle it is four; CI machines are busy."""


@pytest.fixture
def release(installed, node, tmp_path):
    """Helm in place of the manifests, which are installed again afterwards."""
    installed.kubectl("delete", "-k", str(MANIFESTS), "--timeout=120s")
    installed.kubectl("create", "namespace", OPERATOR_NAMESPACE)
    installed.kubectl("label", "namespace", OPERATOR_NAMESPACE, RESTRICTED)
    yield Helm(build(["helm"])["helm"][0], tmp_path, node.kubeconfig)
    installed.kubectl("delete", "namespace", OPERATOR_NAMESPACE, "--timeout=120s")
    installed.install()


def test_a_release_serves_is_upgraded_and_leaves_nothing(release, bare, registry, installed):
    values = {"crds": {"keep": False}}
    began = time.monotonic()
    release.run("install", "serin", CHART, "--wait", "--timeout", "120s", values=values)
    took = time.monotonic() - began
    print(f"operator ready {took:.1f} s after helm install")  # noqa: T201
    assert took < READY_WITHIN
    assert "Succeeded" in release.run("test", "serin").stdout
    rollout = bare(registry)
    rollout.apply(registry.good, canary=canary("2s", 50, 100))
    traffic = rollout.send(registry.traffic)
    rollout.wait_for_phase("Promoted", seconds=120)

    # A changed configuration replaces the operators; servers and what they serve stay.
    before = {pod["metadata"]["name"] for pod in rollout.pods()}
    old = set(operators(installed))
    assert len(old) == 2
    release.run("upgrade", "serin", CHART, "--wait", "--timeout", "120s", values=values | {"commonLabels": {"a": "b"}})
    rollout.wait(lambda _: not old & set(operators(installed)), what="other operators")
    rollout.keeps_serving_by_the_model()
    assert {pod["metadata"]["name"] for pod in rollout.pods()} == before
    release.run("rollback", "serin", "1", "--wait", "--timeout", "120s")
    rollout.keeps_serving_by_the_model()
    assert traffic.failed == 0

    rollout.kubectl("delete", "sgm", "--all", "--timeout=60s")
    release.run("uninstall", "serin", "--wait", "--timeout", "120s")
    kinds = "crd,clusterrole,clusterrolebinding,deployment,service,configmap,serviceaccount"
    left = installed.kubectl("get", kinds, "-A", "-o", "name").split()
    assert [name for name in left if "serin" in name] == []


def operators(installed):
    found = json.loads(installed.kubectl("get", "pods", "-n", OPERATOR_NAMESPACE, "-o", "json"))["items"]
    return [pod["metadata"]["name"] for pod in found]
