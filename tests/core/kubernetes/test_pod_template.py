"""What settings of a SuggestionModel become in the pod template, and which of their changes replace the pods."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from serin_core.api.resource import Resource
from serin_core.api.spec import OBJECT_NAME_PATTERN, SuggestionModelSpec
from serin_core.api.status import Status
from serin_core.kubernetes import manifests, pod_template
from serin_core.kubernetes.inputs import ServerImage

EXAMPLE = Path(__file__).parents[3] / "examples" / "pod-settings.yaml"
SETTINGS = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))["spec"]["server"]
POD = SETTINGS["pod"]
IMAGE = ServerImage("server:1")


def resource(*, name="categories", registry=None, **server):
    body = {"runID": "run_aaaaaaaa_1", "server": {"token": {"secretName": "tokens"}} | server}
    spec = SuggestionModelSpec.model_validate(body | ({} if registry is None else {"registry": registry}))
    return Resource("shop", name, "u-1", 1, "1", spec, None)


def template(*, image=IMAGE, **settings):
    return pod_template.render(resource(**settings), Status(), model_name="m", image=image)


def container(rendered):
    (found,) = rendered["spec"]["containers"]
    return found


def variables(rendered):
    return {one["name"]: one.get("value") for one in container(rendered)["env"]}


def test_a_pod_asks_for_no_user_or_group_unless_the_operator_is_configured_so():
    restricted = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert template()["spec"]["securityContext"] == restricted
    ids = {"runAsUser": 1000, "fsGroup": 2000}
    assert template(image=ServerImage("server:1", ids=ids))["spec"]["securityContext"] == restricted | ids


def test_a_process_that_hangs_gets_five_seconds_after_its_liveness_probe_has_failed():
    found = container(template())
    assert found["livenessProbe"]["terminationGracePeriodSeconds"] == 5
    assert "terminationGracePeriodSeconds" not in found["startupProbe"] | found["readinessProbe"]


def test_pods_that_are_not_ready_hold_up_no_drain():
    assert manifests.disruption_budget(resource())["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_fields_of_kubernetes_are_rendered_as_they_are_written():
    found = template(pod=POD)["spec"]
    for name in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "imagePullSecrets"):
        assert found[name] == POD[name], name


def test_resources_may_have_ephemeral_storage():
    assert container(template(resources=SETTINGS["resources"]))["resources"] == SETTINGS["resources"]


def test_pods_are_spread_over_hosts_and_zones_where_that_is_possible():
    found = template()["spec"]["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in found] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    for one in found:
        assert (one["maxSkew"], one["whenUnsatisfiable"]) == (1, "ScheduleAnyway")
        assert one["labelSelector"] == {"matchLabels": {"serin.dev/uid": "u-1"}}


def test_other_constraints_replace_the_default_and_count_the_own_pods_unless_they_name_others():
    zone, host = template(pod=POD)["spec"]["topologySpreadConstraints"]
    wanted = POD["topologySpreadConstraints"]
    assert zone == wanted[0] | {"labelSelector": {"matchLabels": {"serin.dev/uid": "u-1"}}}
    assert host == wanted[1]
    assert template(pod={"topologySpreadConstraints": []})["spec"]["topologySpreadConstraints"] == []


def test_labels_and_annotations_are_added_to_those_of_the_operator():
    plain, found = template()["metadata"], template(pod=POD)["metadata"]
    assert found["labels"] == plain["labels"] | POD["labels"]
    changed = {key for key, value in plain["annotations"].items() if found["annotations"][key] != value}
    assert changed == {"serin.dev/template"}
    assert POD["annotations"].items() <= found["annotations"].items()


CHANGES = {f"pod.{name}": {"pod": {name: value}} for name, value in POD.items()}
CHANGES |= {name: {name: SETTINGS[name]} for name in ("resources", "keepAliveSeconds", "proxy", "caBundle", "tls")}


@pytest.mark.parametrize("settings", CHANGES.values(), ids=CHANGES)
def test_a_change_of_any_setting_replaces_the_pods(settings):
    assert pod_template.hash_of(template(**settings)) != pod_template.hash_of(template())


def test_a_change_of_ids_replaces_the_pods():
    other = template(image=ServerImage("server:1", ids={"fsGroup": 1}))
    assert pod_template.hash_of(other) != pod_template.hash_of(template())


def test_replicas_replace_no_pod():
    assert pod_template.hash_of(template(replicas=7)) == pod_template.hash_of(template())


def test_proxies_and_certificate_authorities_reach_the_clients_of_object_stores():
    source = {"uri": "s3://serin", "secretName": "s3"}
    settings = {name: SETTINGS[name] for name in ("proxy", "caBundle", "keepAliveSeconds")}
    found = template(registry=source, **settings)
    assert variables(found)["HTTPS_PROXY"] == "http://proxy.example.com:3128"
    assert variables(found)["NO_PROXY"] == "169.254.169.254,.svc,.cluster.local,10.0.0.0/8"
    assert variables(found)["SERIN_KEEP_ALIVE_SECONDS"] == "650"
    assert container(found)["envFrom"] == [{"secretRef": {"name": "s3"}}, {"secretRef": {"name": "proxy"}}]
    (volume,) = [one for one in found["spec"]["volumes"] if one["name"] == "ca"]
    items = [{"key": "ca.crt", "path": "ca.crt"}]
    assert volume == {"name": "ca", "configMap": {"name": "ca-bundle", "items": items}}
    (mount,) = [one for one in container(found)["volumeMounts"] if one["name"] == "ca"]
    assert variables(found)["SSL_CERT_FILE"] == f"{mount['mountPath']}/ca.crt"
    assert mount["readOnly"]


def test_certificate_authorities_may_be_in_a_secret():
    volumes = template(caBundle={"secretName": "ca", "key": "root.pem"})["spec"]["volumes"]
    items = [{"key": "root.pem", "path": "root.pem"}]
    assert {"name": "ca", "secret": {"secretName": "ca", "items": items}} in volumes


def test_without_these_settings_no_variable_is_set():
    assert not {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SERIN_KEEP_ALIVE_SECONDS"} & set(
        variables(template())
    )


def test_the_service_account_has_the_annotations_and_a_list_of_them():
    annotations = POD["serviceAccountAnnotations"]
    (key,) = annotations
    found = manifests.service_account(resource(pod=POD))
    assert found["metadata"]["annotations"] == annotations | {"serin.dev/annotations": key}
    assert found["automountServiceAccountToken"] is False
    assert manifests.service_account(resource())["metadata"]["annotations"] == {"serin.dev/annotations": ""}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("categories", "categories"),
        ("categories-2", "categories-2"),
        ("categories-v0.1", "categories-v0-1-9de36b"),
        ("categories-v0-1", "categories-v0-1"),
        ("2026-categories", "m-2026-categories-e23795"),
    ],
)
def test_the_service_has_the_name_of_the_resource_or_one_made_from_it(name, expected):
    assert manifests.service_name(resource(name=name)) == expected
    assert manifests.child_names(resource(name=name)) == {
        "Deployment": name,
        "ServiceAccount": name,
        "PodDisruptionBudget": name,
        "Service": expected,
    }


@given(st.from_regex(OBJECT_NAME_PATTERN, fullmatch=True).filter(lambda name: len(name) <= 44))
def test_any_name_that_a_resource_may_have_gives_a_name_that_a_service_may_have(name):
    found = manifests.service_name(resource(name=name))
    assert len(found) <= 63
    assert found[0].isalpha()
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not found.endswith("-")


def test_with_a_certificate_everything_that_calls_the_pods_uses_https():
    tls = {"secretName": "categories-tls"}
    plain, found = template(), template(tls=tls)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container(plain)[probe]["httpGet"]["scheme"] == "HTTP"
        assert container(found)[probe]["httpGet"]["scheme"] == "HTTPS"
    assert plain["metadata"]["annotations"]["prometheus.io/scheme"] == "http"
    assert found["metadata"]["annotations"]["prometheus.io/scheme"] == "https"
    (port,) = manifests.service(resource(tls=tls))["spec"]["ports"]
    assert (port["name"], port["port"]) == ("https", 443)
    assert {"name": "tls", "secret": {"secretName": "categories-tls"}} in found["spec"]["volumes"]
    (mount,) = [one for one in container(found)["volumeMounts"] if one["name"] == "tls"]
    assert variables(found)["SERIN_TLS_DIR"] == mount["mountPath"]
    assert "SERIN_TLS_DIR" not in variables(plain)


ONE, TWO = ("-----BEGIN PUBLIC KEY-----\n" + letter * 60 + "\n-----END PUBLIC KEY-----" for letter in "AB")


def with_key(key):
    return {"spec": {"template": template(image=replace(IMAGE, routing_key=key))}}


def test_a_pod_has_the_routing_key_of_its_template_and_another_key_replaces_it():
    live = with_key(ONE)
    assert variables(live["spec"]["template"])["SERIN_ROUTING_KEY"] == ONE
    assert pod_template.routing_key(live["spec"]["template"]["spec"]) == ONE
    assert pod_template.hash_of(live["spec"]["template"]) != pod_template.hash_of(with_key(TWO)["spec"]["template"])
    assert "SERIN_ROUTING_KEY" not in variables(template())
    assert pod_template.routing_key(template()["spec"]) == pod_template.routing_key({}) == ""


@pytest.mark.parametrize(
    ("keys", "live", "chosen"),
    [
        pytest.param((ONE,), None, ONE, id="a new Deployment"),
        pytest.param((ONE,), "", ONE, id="one without a key"),
        pytest.param((TWO, ONE), ONE, ONE, id="the former key is still known"),
        pytest.param((TWO, ONE), None, TWO, id="a new Deployment has the current one"),
        pytest.param((TWO,), ONE, TWO, id="the former key is gone"),
        pytest.param((), ONE, ONE, id="no key is known now"),
        pytest.param((), None, "", id="no key, and none before"),
    ],
)
def test_the_key_of_the_live_deployment_stays_while_it_can_be_used(keys, live, chosen):
    found = None if live is None else with_key(live)
    assert pod_template.chosen_routing_key(keys, found) == chosen
