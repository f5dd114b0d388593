"""Another version of the images while a rollout is under way, and an uninstallation."""

import json
import shutil

import pytest
import yaml
from e2e.conftest import canary

from serin_demo.installation import OPERATOR_NAMESPACE, ROOT

pytestmark = pytest.mark.node

IMAGE = "ghcr.io/serin-dev/serin-{}"
NEXT = "0.1.0-next"


@pytest.fixture
def next_version(installed, node):
    """An overlay, as users write it, that names images of another tag."""
    present = [name for name in node.ctr("images", "list", "-q").splitlines() if name.startswith(IMAGE.format(""))]
    for name in ("operator", "server"):
        (image,) = [one for one in present if one.startswith(f"{IMAGE.format(name)}:") and not one.endswith(NEXT)]
        node.ctr("images", "tag", "--force", image, f"{IMAGE.format(name)}:{NEXT}")
    overlay = installed.directory / "next"
    overlay.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load((ROOT / "manifests" / "base" / "config.yaml").read_text())
    config["server"]["image"] = f"{IMAGE.format('server')}:{NEXT}"
    (overlay / "config.yaml").write_text(yaml.safe_dump(config))
    generator = {
        "name": "serin-operator",
        "namespace": OPERATOR_NAMESPACE,
        "behavior": "replace",
        "files": ["config.yaml"],
    }
    up = "/".join([".."] * len(overlay.relative_to(ROOT).parts))
    kustomization = {
        "resources": [f"{up}/manifests/default"],
        "images": [{"name": IMAGE.format("operator"), "newTag": NEXT}],
        "configMapGenerator": [generator],
    }
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    yield overlay
    installed.install()
    shutil.rmtree(overlay)


def test_an_upgrade_in_mid_rollout_replaces_operator_and_servers_and_loses_no_request(
    rollout, registry, installed, next_version
):
    rollout.apply(registry.good, canary=canary("1h", 10))
    rollout.wait_for_stage(0, seconds=120)
    rollout.send_to_service(registry.traffic)
    before = rollout.status
    installed.install(next_version)
    installed.install(next_version)  # the second time there is nothing to do

    def is_upgraded(_status):
        images = {pod["spec"]["containers"][0]["image"] for pod in rollout.pods()}
        return images == {f"{IMAGE.format('server')}:{NEXT}"} and rollout.is_ready()

    rollout.wait(is_upgraded, seconds=120, what="servers of the next version")
    operators = json.loads(installed.kubectl("get", "pods", "-n", OPERATOR_NAMESPACE, "-o", "json"))["items"]
    assert {pod["spec"]["containers"][0]["image"] for pod in operators} == {f"{IMAGE.format('operator')}:{NEXT}"}
    rollout.lost_nothing()
    status = rollout.status
    assert (status["phase"], status["candidate"]["runID"]) == (before["phase"], registry.good)
    assert status["candidate"]["percent"] == 0


def test_an_uninstallation_leaves_nothing_and_an_installation_after_it_works(rollout, registry, installed):
    rollout.apply(registry.good)
    rollout.wait_for_stage(0, seconds=120)
    rollout.kubectl("delete", "sgm", "--all", "--timeout=60s")
    rollout.kubectl("wait", "pod", "--all", "--for=delete", "--timeout=60s")
    kinds = "deployment,service,configmap,serviceaccount,poddisruptionbudget,endpointslice"
    children = rollout.kubectl("get", kinds, "-l", f"serin.dev/model={rollout.name}", "-o", "name")
    assert children.split() == []
    installed.kubectl("delete", "-k", str(ROOT / "manifests" / "default"), "--timeout=120s")
    try:
        everywhere = "crd,clusterrole,clusterrolebinding,namespace"
        left = installed.kubectl("get", everywhere, "-o", "name").split()
        assert [name for name in left if "serin" in name and rollout.namespace not in name] == []
    finally:
        installed.install()
    rollout.apply(registry.good)
    rollout.wait_for_stage(0, seconds=120)
