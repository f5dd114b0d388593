"""The NetworkPolicy that lets the operator reach server pods: in manifests and chart, for the labels that pods have."""

from pathlib import Path

import yaml
from models.parts import spec

from serin_core.api.resource import Resource
from serin_core.contract import names
from serin_core.kubernetes import manifests

ROOT = Path(__file__).parents[2]


def read(path):
    return yaml.safe_load((ROOT / "manifests" / path).read_text(encoding="utf-8"))


def test_it_selects_server_pods_and_admits_the_operator_and_nobody_else():
    policy, operator = read("networkpolicy/networkpolicy.yaml"), read("base/deployment.yaml")
    resource = Resource(
        namespace="n",
        name="m",
        uid="u",
        generation=1,
        resource_version="1",
        spec=spec("run_aaaaaaaa_1"),
        status=None,
        annotations={},
    )
    [wanted] = policy["spec"]["podSelector"]["matchExpressions"]
    assert (wanted["key"] in manifests.labels(resource), wanted["operator"]) == (True, "Exists")
    [rule] = policy["spec"]["ingress"]
    assert [one["port"] for one in rule["ports"]] == [names.SERVER_PORT]
    [peer] = rule["from"]
    assert peer["podSelector"]["matchLabels"].items() <= operator["spec"]["template"]["metadata"]["labels"].items()
    namespace = read("base/kustomization.yaml")["namespace"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}


def test_the_chart_has_the_same_policy():
    template = (ROOT / "charts/serin/templates/networkpolicy.yaml").read_text(encoding="utf-8")
    policy = read("networkpolicy/networkpolicy.yaml")["spec"]
    [expression] = policy["podSelector"]["matchExpressions"]
    assert f"{{key: {expression['key']}, operator: {expression['operator']}}}" in template
    assert f"port: {policy['ingress'][0]['ports'][0]['port']}" in template
    assert "kubernetes.io/metadata.name: {{ $.Release.Namespace }}" in template
