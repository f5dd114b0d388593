"""Settings of pods on a cluster: what they do to a rollout, and what becomes of those that Kubernetes refuses."""

import json
import ssl

import httpx
import pytest
from e2e.conftest import TOKEN, canary

from serin_localcluster.pki import Authority

pytestmark = pytest.mark.cluster


def server(rollout, registry, **pod):
    return rollout.resource(registry.good)["spec"]["server"] | {"pod": pod}


def test_a_change_of_pod_settings_replaces_the_pods_and_the_rollout_goes_on(rollout, registry):
    rollout.name = "categories-v0.1"
    rollout.apply(registry.good, canary=canary("20s", 10, 100))
    rollout.send(registry.traffic)
    rollout.wait_for_stage(0)
    before = {pod["metadata"]["name"] for pod in rollout.pods()}
    settings = {
        "labels": {"team": "payments"},
        "annotations": {"example.com/owner": "team-payments"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    }
    # The rest of the rollout is short.
    rollout.apply(registry.good, server=server(rollout, registry, **settings) | {"keepAliveSeconds": 650})
    rollout.wait_for_phase("Promoted", seconds=120)
    pods = rollout.pods()
    assert before.isdisjoint(pod["metadata"]["name"] for pod in pods)
    for pod in pods:
        assert pod["metadata"]["labels"]["team"] == "payments"
        assert pod["spec"]["nodeSelector"] == settings["nodeSelector"]
        assert settings["tolerations"][0].items() <= pod["spec"]["tolerations"][0].items()
        assert "runAsUser" not in pod["spec"]["securityContext"]
    events = [entry["event"] for entry in rollout.status["history"]]
    assert (events.count("RolloutStarted"), events.count("PodsReplaced")) == (1, 1)
    assert rollout.traffic.failed == 0
    (service,) = json.loads(rollout.kubectl("get", "service", "-l", f"serin.dev/model={rollout.name}", "-o", "json"))[
        "items"
    ]
    assert service["metadata"]["name"].startswith("categories-v0-1-")


def test_settings_that_are_refused_become_a_condition_and_the_pods_go_on_serving(rollout, registry):
    rollout.apply(registry.good, canary=canary("1h", 10))
    traffic = rollout.send(registry.traffic)
    rollout.wait_for_stage(0)
    before = {pod["metadata"]["uid"] for pod in rollout.pods()}
    rollout.apply(registry.good, server=server(rollout, registry, labels={"two words": "x"}))
    rollout.wait(lambda _: rollout.condition()["reason"] == "ChildRefused", what="ChildRefused")
    assert 'Invalid value: "two words"' in rollout.condition()["message"]
    account = {"serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "admin"}}
    rollout.apply(registry.good, server=server(rollout, registry, **account))
    rollout.wait(lambda _: rollout.condition()["reason"] == "AnnotationRefused", what="AnnotationRefused")
    rollout.wait_for_events("ChildRefused", "AnnotationRefused")
    live = json.loads(rollout.kubectl("get", "serviceaccount", rollout.name, "-o", "json"))
    assert "eks.amazonaws.com/role-arn" not in live["metadata"]["annotations"]
    sent = traffic.sent
    rollout.wait(lambda _: traffic.sent > sent + 500, what="more answers")
    assert traffic.failed == 0
    assert {pod["metadata"]["uid"] for pod in rollout.pods()} == before


def test_with_a_certificate_pods_are_probed_asked_and_scraped_over_https(rollout, registry, cluster, tmp_path):
    authority = Authority(tmp_path / "ca")
    pair = authority.sign("categories", addresses=("categories",))
    files = ("--cert", str(pair.certificate), "--key", str(pair.key))
    rollout.kubectl("create", "secret", "tls", "categories-tls", *files)
    written = rollout.resource(registry.good)["spec"]["server"] | {"tls": {"secretName": "categories-tls"}}
    rollout.apply(registry.good, canary=canary("1h", 10), server=written)
    # The stage starts once every pod is ready and has told the operator what it serves.
    rollout.wait_for_stage(0)
    context = ssl.create_default_context(cafile=authority.file)
    body = {"transactions": [{"txn_id": "1", "user_id": "u", "merchant": "x"}]}
    with httpx.Client(verify=context, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10) as client:
        for address in rollout.addresses():
            url, names = f"https://{address}/agent/suggestions", {"sni_hostname": "categories"}
            assert client.post(url, json=body, extensions=names).status_code == 200
    query = f'count(serin_revision{{serin_model="{rollout.namespace}/{rollout.name}"}})'

    def is_scraped(_status):
        found = httpx.get(f"{cluster.prometheus_url}/api/v1/query", params={"query": query}).json()["data"]["result"]
        return bool(found) and found[0]["value"][1] == "2"

    rollout.wait(is_scraped, what="a series of each pod in Prometheus")
    (service,) = json.loads(rollout.kubectl("get", "service", "-o", "json"))["items"]
    assert [port["port"] for port in service["spec"]["ports"]] == [443]
