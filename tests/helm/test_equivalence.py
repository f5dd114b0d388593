"""The chart and manifests/ install the same objects."""

import re

import pytest
from helm.chart import ROOT, kubectl, objects

from serin_operator.settings import Settings

ADDED_BY_HELM = {f"app.kubernetes.io/{one}" for one in ("instance", "version", "managed-by")} | {"helm.sh/chart"}
ADDED_BY_THE_CHART = {"checksum/config", "helm.sh/resource-policy"}


def normal(found, tmp_path):
    """Return objects by kind and name, without what only Helm or only Kustomize adds."""
    by_name = {}
    for one in found:
        metadata = one["metadata"]
        if one["kind"] == "Namespace" or "helm.sh/hook" in metadata.get("annotations", {}):
            continue
        if one["kind"] == "CustomResourceDefinition":
            metadata.pop("labels", None)
        if one["kind"] == "ConfigMap":
            file = tmp_path / "config.yaml"
            file.write_text(one["data"].pop("config.yaml"))
            one["data"]["configuration"] = Settings.load(file)
        plain = without_additions(one)
        key = (plain["kind"], plain["metadata"].get("namespace"), plain["metadata"]["name"])
        assert key not in by_name
        by_name[key] = plain
    return by_name


def without_additions(node):
    if isinstance(node, list):
        return [without_additions(one) for one in node]
    if not isinstance(node, dict):
        # Kustomize names a ConfigMap after its contents; the chart has a checksum of them in the pod's annotations.
        return re.sub(r"^serin-operator-[a-z0-9]{10}$", "serin-operator", node) if isinstance(node, str) else node
    kept = {
        key: without_additions(value) for key, value in node.items() if key not in ADDED_BY_HELM | ADDED_BY_THE_CHART
    }
    return {key: value for key, value in kept.items() if value != {} or key not in ("labels", "annotations")}


@pytest.mark.parametrize(
    ("overlay", "values"),
    [("default", {}), ("namespaced", {"watchNamespaces": ["transactions"]})],
)
def test_the_chart_and_the_overlay_have_the_same_objects(helm, tmp_path, overlay, values):
    chart = normal(helm.render(values), tmp_path)
    kustomize = normal(objects(kubectl("kustomize", str(ROOT / "manifests" / overlay))), tmp_path)
    assert chart.keys() == kustomize.keys()
    for key, found in chart.items():
        assert found == kustomize[key], key


@pytest.mark.parametrize("overlay", ["default", "namespaced"])
def test_the_role_is_for_the_lease_in_the_configuration(tmp_path, overlay):
    # Kustomize changes names in rules that are equal to the name of a generated ConfigMap.
    found = objects(kubectl("kustomize", str(ROOT / "manifests" / overlay)))
    (text,) = (one["data"]["config.yaml"] for one in found if one["kind"] == "ConfigMap")
    file = tmp_path / "config.yaml"
    file.write_text(text)
    (rules,) = (one["rules"] for one in found if one["metadata"]["name"] == "serin-operator-lease" and "rules" in one)
    assert [rule["resourceNames"] for rule in rules if "resourceNames" in rule] == [
        [Settings.load(file).leader_election.lease_name]
    ]
