"""The dashboard in a cluster: off by default, read-only rights, and the same in the chart and in manifests/."""

import json

import pytest
from helm.chart import CHART, ROOT, kubectl, objects
from helm.test_equivalence import normal

ENABLED = {"dashboard": {"enabled": True}}


def added(helm, values):
    """Return what an enabled dashboard adds to the chart."""
    without = {json.dumps(one, sort_keys=True) for one in helm.render({**values, "dashboard": {"enabled": False}})}
    return [one for one in helm.render(values) if json.dumps(one, sort_keys=True) not in without]


def test_an_enabled_dashboard_changes_nothing_else_and_is_that_of_the_manifests(helm, tmp_path):
    chart = normal(added(helm, ENABLED), tmp_path)
    kustomize = normal(objects(kubectl("kustomize", str(ROOT / "manifests" / "dashboard"))), tmp_path)
    assert {name for _, _, name in chart} == {"serin-dashboard"}
    assert chart.keys() == kustomize.keys()
    for key, found in chart.items():
        assert found == kustomize[key], key


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["a", "b"]}], ids=["all", "two"])
@pytest.mark.parametrize("proxy", [False, True])
def test_its_rights_only_read_and_nothing_secret(helm, values, proxy):
    found = added(helm, {**values, "dashboard": {"enabled": True, "podsProxy": proxy}})
    roles = [one for one in found if one["kind"] in ("Role", "ClusterRole")]
    wanted = {("suggestionmodels", "list"), ("suggestionmodels", "watch"), ("configmaps", "list"), ("pods", "list")}
    wanted |= {("pods/proxy", "get")} if proxy else set()
    assert [one["kind"] for one in roles] == (["Role", "Role"] if values else ["ClusterRole"])
    for role in roles:
        assert {
            (what, verb) for rule in role["rules"] for what in rule["resources"] for verb in rule["verbs"]
        } == wanted


def test_its_pod_meets_the_restricted_pod_security_standard(helm):
    (pod,) = [one["spec"]["template"]["spec"] for one in added(helm, ENABLED) if one["kind"] == "Deployment"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_nobody_in_the_cluster_reaches_it_until_a_proxy_is_named(helm):
    (policy,) = [one["spec"] for one in added(helm, ENABLED) if one["kind"] == "NetworkPolicy"]
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["ingress"] == []


def test_the_selectors_of_operator_and_dashboard_do_not_meet(helm):
    found = helm.render({**ENABLED, "networkPolicy": {"enabled": True}})
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"] for one in found if one["kind"] == "Deployment"
    }
    for one in found:
        if one["kind"] in ("Service", "NetworkPolicy"):
            spec = one["spec"]
            selector = spec["selector"] if one["kind"] == "Service" else spec["podSelector"]["matchLabels"]
            chosen = [name for name, pod in pods.items() if selector.items() <= pod["labels"].items()]
            assert chosen == [one["metadata"]["name"]]


@pytest.mark.parametrize(
    ("policy", "said", "unsaid"),
    [
        ({}, "Nobody in the cluster reaches it until", "WARNING"),
        ({"ingressFrom": [{"podSelector": {}}]}, "http://serin-dashboard.serin-system.svc:80", "Nobody in the cluster"),
        ({"enabled": False}, "WARNING: dashboard.networkPolicy.enabled is false", "Nobody in the cluster"),
    ],
    ids=["closed", "a proxy", "open"],
)
def test_the_notes_say_who_reaches_it(helm, policy, said, unsaid):
    values = {"dashboard": {"enabled": True, "networkPolicy": policy}}
    notes = helm.run("install", "serin", CHART, "--dry-run=client", values=values).stdout.partition("NOTES:")[2]
    assert said in notes
    assert unsaid not in notes
