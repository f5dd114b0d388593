"""Values: documented, refused where they are misspelt, and rendered where they belong."""

import importlib.util
import json
import re

import pytest
import yaml
from helm.chart import CHART, ROOT, kubectl, objects
from helm.option import ABSENT
from helm.options import OPTIONS
from jsonschema import Draft7Validator

from serin_core.contract import names
from serin_operator.settings import Settings

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


@pytest.fixture(scope="module")
def generate():
    loader = importlib.util.spec_from_file_location("generate_charts", ROOT / "charts" / "generate.py")
    module = importlib.util.module_from_spec(loader)
    loader.loader.exec_module(module)
    return module


def test_the_generated_files_are_those_of_the_generator(generate):
    for path, contents in generate.files().items():
        assert path.read_text(encoding="utf-8") == contents, f"{path.name}: run `make charts`"


def test_the_rendered_crd_is_that_of_the_manifests(helm):
    (rendered,) = [one for one in helm.render() if one["kind"] == "CustomResourceDefinition"]
    written = yaml.safe_load((ROOT / "crds" / "suggestionmodels.yaml").read_text())
    assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert rendered | {"metadata": written["metadata"]} == written


def test_every_value_is_described_and_has_a_test(generate):
    text = (CHART / "values.yaml").read_text()
    described = [value.key for value in generate.described(text)]
    undescribed = [
        leaf
        for leaf in generate.leaves(VALUES)
        if not any(leaf == key or leaf.startswith(f"{key}.") for key in described)
    ]
    assert undescribed == []
    assert [key for key in described if key not in OPTIONS] == []
    fields = {field.alias for field in Settings.model_fields.values()} - {"namespaces", "prometheus", "server"}
    assert [key for key in fields if f"config.{key}" not in OPTIONS] == []


def test_the_schema_has_the_description_of_each_value(generate):
    for value in generate.described((CHART / "values.yaml").read_text()):
        node = SCHEMA
        for key in value.key.split("."):
            node = node["properties"][key] if "properties" in node else {}
        assert node.get("description", value.description) == value.description, value.key


def test_a_description_may_go_over_several_lines_and_an_ordinary_comment_is_none(generate):
    text = "# Not this.\na:\n  # -- The first,\n  # and the second line.\n  b: 1\n# Neither this.\nc: {}\n"
    assert [(one.key, one.default, one.description) for one in generate.described(text)] == [
        ("a.b", 1, "The first, and the second line.")
    ]


def test_the_chart_passes_helms_own_checks(helm):
    assert "0 chart(s) failed" in helm.run("lint", "--strict", CHART).stdout


def nodes(node, path=""):
    if isinstance(node, dict):
        yield path, node
        for key, child in node.items():
            yield from nodes(child, f"{path}/{key}")
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from nodes(child, f"{path}/{number}")


def test_no_object_takes_keys_that_it_does_not_know():
    objects = [(path, node) for path, node in nodes(SCHEMA) if node.get("type") == "object"]
    assert len(objects) > 80
    open_ones = [path for path, node in objects if node.get("additionalProperties", True) is True]
    assert open_ones == ["/properties/global"]
    of_the_users_choice = [
        path
        for path, node in objects
        if any(node.get("properties", {}).values()) and node["additionalProperties"] is not False
    ]
    assert of_the_users_choice == []


def test_every_type_that_is_defined_is_used():
    text = json.dumps(SCHEMA)
    assert [name for name in SCHEMA["definitions"] if f'"#/definitions/{name}"' not in text] == []
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("key", OPTIONS)
def test_every_option_is_rendered_where_it_belongs(helm, key, tmp_path):
    option = OPTIONS[key]
    found = helm.render(option.values)
    by_name = {}
    for one in found:
        by_name[f"{one['kind']}/{one['metadata']['name']}"] = one
        if "config.yaml" in one.get("data", {}):
            file = tmp_path / "config.yaml"
            file.write_text(one["data"]["config.yaml"])
            Settings.load(file)
            one["data"]["config"] = yaml.safe_load(file.read_text())
    assert {place: at(by_name, place) for place in option.rendered} == option.rendered


def at(by_name, place):
    name, _, path = place.partition(" ")
    node = by_name.get(name, ABSENT)
    for key in re.split(r"(?<!\\)\.", path) if path and node != ABSENT else ():
        node = node[int(key)] if isinstance(node, list) else node.get(key.replace("\\.", "."), ABSENT)
        if node == ABSENT:
            break
    return node


def test_the_alerts_of_the_chart_are_those_of_the_manifests_with_the_values(helm):
    def rendered(**values):
        found = helm.render({"monitoring": {"alerts": {"enabled": True} | values}})
        return next(one for one in found if one["kind"] == "PrometheusRule")["spec"]

    rule = yaml.safe_load((ROOT / "manifests" / "alerts" / "prometheusrule.yaml").read_text())
    plain = yaml.safe_load((ROOT / "manifests" / "alerts" / "rules.yaml").read_text())
    assert rendered() == rule["spec"] == plain
    assert objects(kubectl("kustomize", str(ROOT / "manifests" / "alerts"))) == [rule]
    older = json.dumps(rendered(modelAgeDays=30))
    assert "> 30 * 86400" in older
    assert "90 * 86400" not in older


def test_the_dashboards_of_the_chart_are_those_of_the_manifests(helm):
    found = helm.render({"monitoring": {"dashboards": {"enabled": True, "namespace": "grafana"}}})
    chart = [one for one in found if one["metadata"]["name"].startswith("serin-dashboard-")]
    overlay = objects(kubectl("kustomize", str(ROOT / "manifests" / "dashboards")))
    assert len(overlay) > 3
    for both in (chart, overlay):
        assert all(one["metadata"]["labels"]["grafana_dashboard"] == "1" for one in both)
    texts = [{one["metadata"]["name"]: one["data"] for one in both} for both in (chart, overlay)]
    assert texts[0] == texts[1]


def test_a_changed_configuration_restarts_the_operator_and_nothing_else_does(helm):
    def checksum(values):
        (found,) = [one for one in helm.render(values) if one["kind"] == "Deployment"]
        return found["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    assert checksum({}) == checksum({"podLabels": {"a": "b"}})
    assert checksum({}) != checksum({"config": {"workers": 2}}) != checksum({"watchNamespaces": ["a"]})


def test_no_pod_asks_for_a_user_or_group_id(helm):
    texts = [json.dumps(one) for one in helm.render()] + [
        path.read_text() for path in (ROOT / "manifests").rglob("*.yaml")
    ]
    assert not [text for text in texts if re.search(r"^[^#]*\b(runAsUser|runAsGroup|fsGroup)\b", text, re.MULTILINE)]


def test_pods_meet_the_restricted_pod_security_standard(helm):
    found = helm.render()
    pods = [one["spec"]["template"]["spec"] for one in found if one["kind"] == "Deployment"]
    pods += [one["spec"] for one in found if one["kind"] == "Pod"]
    assert len(pods) == 2
    for pod in pods:
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_the_service_and_the_network_policies_do_not_select_the_pod_of_helm_test(helm):
    found = helm.render({"networkPolicy": {"enabled": True, "serverNamespaces": ["a"]}})
    (pod,) = [one for one in found if one["kind"] == "Pod"]
    selectors = [one["spec"]["selector"] for one in found if one["kind"] == "Service"]
    selectors += [
        one["spec"]["podSelector"].get("matchLabels", {"serin.dev/model": "?"})
        for one in found
        if one["kind"] == "NetworkPolicy"
    ]
    assert len(selectors) == 3
    assert not [one for one in selectors if one.items() <= pod["metadata"]["labels"].items()]


def test_the_network_policy_names_the_label_and_port_of_server_pods():
    text = (CHART / "templates" / "networkpolicy.yaml").read_text()
    assert f"key: {names.LABEL_MODEL}" in text
    assert f"port: {names.SERVER_PORT}" in text


@pytest.mark.parametrize(
    ("release", "name"),
    [("serin", "serin-operator"), ("my-serin", "my-serin-operator"), ("models", "models-serin-operator")],
)
def test_names_begin_with_the_release(helm, release, name):
    (found,) = [one for one in helm.render(release=release) if one["kind"] == "Deployment"]
    assert found["metadata"]["name"] == name


REFUSED = [
    ({"replica": 2}, "replica"),
    ({"image": {"tga": "1"}}, "tga"),
    ({"image": {"tag": 1.2}}, "/image/tag"),
    ({"image": {"digest": "sha256:1"}}, "/image/digest"),
    ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    ({"replicas": "2"}, "/replicas"),
    ({"watchNamespaces": ["Team A"]}, "/watchNamespaces/0"),
    ({"watchNamespaces": ["a", "a"]}, "/watchNamespaces"),
    ({"config": {"namespaces": ["a"]}}, "namespaces"),
    ({"config": {"worker": 3}}, "worker"),
    ({"config": {"workers": 65}}, "/config/workers"),
    ({"config": {"selector": ["team=a"]}}, "/config/selector"),
    ({"config": {"leaderElection": {"leaseNam": "x"}}}, "leaseNam"),
    ({"config": {"leaderElection": {"leaseDurationSeconds": 1}}}, "/config/leaderElection/leaseDurationSeconds"),
    ({"config": {"prometheus": {"x": {"url": "ftp://x"}}}}, "/config/prometheus/x/url"),
    ({"config": {"prometheus": {"x": {"url": "http://x", "caFle": "x"}}}}, "caFle"),
    ({"config": {"prometheus": {"x": {"url": "http://x", "headers": {"A": {"vlue": "x"}}}}}}, "vlue"),
    ({"config": {"prometheus": {"x": {"url": "http://x", "headers": {"A B": {"value": "x"}}}}}}, "A B"),
    ({"config": {"checks": {"ci": {"url": "http://ci", "replicaLabels": []}}}}, "replicaLabels"),
    ({"config": {"checks": {"ci": {}}}}, "/config/checks/ci"),
    ({"config": {"checks": {"CI": {"url": "http://ci"}}}}, "CI"),
    ({"checkFiles": [{"name": "ca", "secret": "a", "configMap": "b"}]}, "/checkFiles/0"),
    ({"config": {"server": {"imagePullPolicy": "Maybe"}}}, "/config/server/imagePullPolicy"),
    ({"config": {"monitoring": {"podMonitor": "Sometimes"}}}, "/config/monitoring/podMonitor"),
    ({"prometheusFiles": [{"name": "ca"}]}, "/prometheusFiles/0"),
    ({"prometheusFiles": [{"name": "ca", "secret": "a", "configMap": "b"}]}, "/prometheusFiles/0"),
    ({"crds": {"kepp": False}}, "kepp"),
    ({"commonLabels": {"app.kubernetes.io/name": "x"}}, "/commonLabels/app/kubernetes/io~1name"),
    ({"podLabels": {"a": "not valid"}}, "/podLabels/a"),
    ({"podAnnotations": {"a": 1}}, "/podAnnotations/a"),
    ({"resources": {"limit": {}}}, "limit"),
    ({"podSecurityContext": {"runAsNonroot": True}}, "runAsNonroot"),
    ({"securityContext": {"capabilities": {"dorp": ["ALL"]}}}, "dorp"),
    ({"tolerations": [{"keys": "x"}]}, "keys"),
    ({"affinity": {"nodeAfinity": {}}}, "nodeAfinity"),
    ({"extraEnv": [{"nam": "x"}]}, "nam"),
    ({"extraVolumes": [{"name": "x", "configMap": {"nme": "x"}}]}, "nme"),
    ({"extraVolumeMounts": [{"name": "x"}]}, "mountPath"),
    ({"metrics": {"podMonitor": {"interval": "1 minute"}}}, "/metrics/podMonitor/interval"),
    ({"metrics": {"podMonitor": {"relabelings": [{"acton": "drop"}]}}}, "acton"),
    ({"networkPolicy": {"egress": [{"too": []}]}}, "too"),
    ({"dashboard": {"enable": True}}, "enable"),
    ({"dashboard": {"port": 0}}, "/dashboard/port"),
    ({"dashboard": {"allowedHosts": ["https://serin.example.com"]}}, "/dashboard/allowedHosts/0"),
    ({"dashboard": {"allowedHosts": ["serin.example.com:8443"]}}, "/dashboard/allowedHosts/0"),
    ({"dashboard": {"networkPolicy": {"ingress": []}}}, "ingress"),
    ({"monitoring": {"alerts": {"modelAgeDays": 0}}}, "/monitoring/alerts/modelAgeDays"),
    ({"monitoring": {"alerts": {"runbooks": "wiki#"}}}, "/monitoring/alerts/runbooks"),
    ({"monitoring": {"dashboards": {"label": {}}}}, "label"),
]


@pytest.mark.parametrize(("values", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_helm_refuses_a_typo_and_names_it(helm, values, message):
    assert message in helm.refusal(values).replace(".", "/")


def paths(node, path=()):
    """Yield the path of every mapping below the values."""
    yield path
    for key, child in node.items():
        if isinstance(child, dict) and child:
            yield from paths(child, (*path, key))


@pytest.mark.parametrize("path", list(paths(VALUES)), ids="/".join)
def test_a_key_that_nothing_reads_is_refused_at_every_level(path):
    values = json.loads(json.dumps(VALUES))
    assert Draft7Validator(SCHEMA).is_valid(values)
    node = values
    for key in path:
        node = node[key]
    node["anotherKey"] = {"x": {}}
    assert not Draft7Validator(SCHEMA).is_valid(values)


def test_the_notes_say_what_to_do_next_and_hide_passwords(helm):
    values = {"config": {"prometheus": {"default": {"url": "https://me:secret@prometheus:9090"}}}}
    notes = helm.run("install", "serin", CHART, "--dry-run=client", values=values).stdout.partition("NOTES:")[2]
    assert "kubectl rollout status deployment/serin-operator -n serin-system" in notes
    assert "helm test serin -n serin-system" in notes
    assert "default (https://prometheus:9090)" in notes
    assert "secret" not in notes
    assert "keeps the CustomResourceDefinition" in notes
    notes = helm.run("install", "serin", CHART, "--dry-run=client", values={"crds": {"keep": False}}).stdout
    assert "WARNING: crds.keep is false" in notes
