"""`kubectl serin doctor`: every finding, on what an API server returns."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli.fakes import CANDIDATE, OLD, RUN, STABLE, condition, model, run

from serin_cli.doctor.command import app
from serin_cli.doctor.installation import installation_results, tag_of
from serin_cli.doctor.models import condition_results, model_results
from serin_cli.doctor.reading import inputs_of
from serin_cli.doctor.reasons import OTHER_CONDITIONS, REASONS
from serin_cli.doctor.results import Outcome, Result, Unread
from serin_cli.doctor.samples import samples, total_by
from serin_cli.doctor.seen import Installation, Model
from serin_cli.doctor.text import describe, summary
from serin_cli.request_errors import AbsentError, ClusterError

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
NO_RIGHT = Unread('the API server answered 403 Forbidden: pods is forbidden: User "jane" cannot list resource "pods"')
ROOT = Path(__file__).parents[2]


def deployment(image="ghcr.io/serin-dev/serin-operator:0.1.0", ready=2):
    container = {"image": image}
    return {
        "metadata": {"name": "serin-operator"},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [container]}}},
        "status": {"readyReplicas": ready},
    }


def lease(age=1.0, holder="serin-operator-1"):
    renewed = (NOW - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15}
    return {"metadata": {"name": "serin-operator-leader"}, "spec": spec}


HEALTHY = Installation(
    now=NOW,
    version="0.1.0",
    namespace="serin-system",
    definition={"spec": {"versions": [{"name": "v1alpha1", "served": True}]}},
    deployments=[deployment()],
    leases=[lease()],
    metrics={"serin-operator-1": list(samples('serin_operator_readings_total{outcome="Read"} 4'))},
    rights={"act on rollouts": True},
)


def of_installation(check, **changes):
    (found,) = [one for one in installation_results(replace(HEALTHY, **changes)) if one.check == check]
    return found.outcome, found.found, found.remedy


def test_a_healthy_installation_has_no_finding_and_nothing_to_do():
    found = installation_results(HEALTHY)
    assert {(one.outcome, one.remedy) for one in found} == {(Outcome.OK, "")}
    assert summary(found) == f"no problems found; {len(found)} results"


@pytest.mark.parametrize(
    ("check", "changes", "outcome", "text"),
    [
        ("resource definition", {"definition": None}, Outcome.PROBLEM, "is not served in version v1alpha1"),
        (
            "resource definition",
            {"definition": {"spec": {"versions": [{"name": "v1alpha1", "served": False}]}}},
            Outcome.PROBLEM,
            "is not served",
        ),
        ("resource definition", {"definition": NO_RIGHT}, Outcome.UNKNOWN, 'User "jane" cannot list'),
        ("operator", {"deployments": []}, Outcome.PROBLEM, "there is no operator in namespace serin-system"),
        ("operator", {"deployments": [deployment(ready=0)]}, Outcome.PROBLEM, "0 of 2 pods"),
        ("operator", {"deployments": [deployment(ready=1)]}, Outcome.WARNING, "1 of 2 pods"),
        ("operator", {"deployments": NO_RIGHT}, Outcome.UNKNOWN, "cannot list"),
        ("versions", {"version": "0.2.0"}, Outcome.WARNING, "this program is 0.2.0, the operator 0.1.0"),
        ("versions", {"deployments": [deployment("operator@sha256:00")]}, Outcome.UNKNOWN, "has no version"),
        ("versions", {"deployments": NO_RIGHT}, Outcome.UNKNOWN, "cannot list"),
        ("leader", {"leases": []}, Outcome.WARNING, "there is no Lease"),
        ("leader", {"leases": [lease(holder="")]}, Outcome.PROBLEM, "nobody holds the Lease"),
        ("leader", {"leases": [lease(age=600)]}, Outcome.PROBLEM, "has not renewed the Lease"),
        ("leader", {"leases": NO_RIGHT}, Outcome.UNKNOWN, "cannot list"),
        ("operator metrics", {"metrics": {"one": NO_RIGHT}}, Outcome.UNKNOWN, "cannot list"),
        (
            "operator metrics",
            {"metrics": {"one": list(samples('serin_operator_readings_total{outcome="Unreachable"} 7'))}},
            Outcome.PROBLEM,
            "one has never read the counts of a stage from Prometheus since its start: Unreachable 7",
        ),
        (
            "operator metrics",
            {
                "metrics": {
                    "one": list(
                        samples(
                            'serin_suggestionmodel_errors_total{name="a",cause="Timeout"} 2\n'
                            'serin_suggestionmodel_errors_total{name="b",cause="Timeout"} 1\n'
                            'serin_suggestionmodel_errors_total{name="a",cause="Conflict"} 9'
                        )
                    )
                }
            },
            Outcome.WARNING,
            "errors of one since its start: Timeout 3",
        ),
        ("your rights", {"rights": {"act": False}}, Outcome.WARNING, "you may not act"),
        ("your rights", {"rights": {"act": NO_RIGHT}}, Outcome.UNKNOWN, "cannot list"),
    ],
)
def test_each_finding_of_the_installation(check, changes, outcome, text):
    found, message, remedy = of_installation(check, **changes)
    assert found is outcome
    assert text in message
    assert bool(remedy) is (outcome is not Outcome.UNKNOWN)


@pytest.mark.parametrize(("leads", "minutes", "is_late"), [(1, 16, True), (1, 14, False), (0, 16, False)])
def test_a_leading_operator_that_does_not_check_a_model(leads, minutes, is_late):
    moment = (NOW - timedelta(minutes=minutes)).timestamp()
    series = f'serin_suggestionmodel_last_check_timestamp_seconds{{namespace="shop",name="a"}} {moment}'
    read = list(samples(f"serin_operator_leader {leads}\n{series}"))
    found = [
        one for one in installation_results(replace(HEALTHY, metrics={"one": read})) if one.outcome is not Outcome.OK
    ]
    expected = [(Outcome.PROBLEM, "one leads, and has not checked for 15 minutes: shop/a")] if is_late else []
    assert [(one.outcome, one.found) for one in found] == expected


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("serin-operator:v1.2.3", "1.2.3"),
        ("localhost:5000/serin-operator", ""),
        ("localhost:5000/serin-operator:0.1.0@sha256:00", "0.1.0"),
        ("serin-operator:latest", ""),
    ],
)
def test_the_version_of_an_image(image, tag):
    assert tag_of(image) == tag


def pod(name="categories-1", *, ready=True, labels=None, **status):
    conditions = [{"type": "Ready", "status": str(ready)}]
    metadata = {"name": name, "labels": labels or {"serin.dev/model": "categories", "app": "x"}}
    return {"metadata": metadata, "status": {"conditions": conditions} | status}


def seen(live=None, **changes):
    live = live or model(stable=STABLE, conditions=[condition("Promoted")])
    return Model(live=live, **({"pods": [pod()], "policies": [], "inputs": {"Secret tokens": True}} | changes))


def results(made, check):
    return [one for one in model_results(made, NOW) if one.check == check]


def only(made, check):
    (found,) = results(made, check)
    return found.outcome, found.found, found.remedy


def test_a_healthy_model_has_no_finding_and_nothing_to_do():
    found = model_results(seen(), NOW)
    assert {(one.outcome, one.remedy, one.subject) for one in found} == {(Outcome.OK, "", "shop/categories")}


def documented(pattern):
    page = (ROOT / "docs" / "conditions.md").read_text(encoding="utf-8")
    return set(re.findall(pattern, page, flags=re.MULTILINE))


def test_every_reason_of_the_documentation_has_a_check_and_what_to_do():
    assert set(REASONS) == documented(r"^\| ([A-Z][A-Za-z]+) \|")
    assert {name for name, reason in REASONS.items() if not reason.remedy} == {
        name for name, reason in REASONS.items() if reason.outcome is Outcome.OK
    }
    paragraph = (ROOT / "docs" / "conditions.md").read_text(encoding="utf-8").partition("Other conditions are ")[2]
    named = set(re.findall(r"\b[A-Z][a-z]+[A-Z][A-Za-z]+\b", paragraph.partition("\n\n")[0]))
    assert named - {"RolledBack", "SuggestionModel"} == set(OTHER_CONDITIONS)


@pytest.mark.parametrize("reason", REASONS)
def test_the_finding_of_each_reason(reason):
    live = model(candidate=CANDIDATE, conditions=[condition(reason, "details of it")])
    found = list(condition_results(seen(live)))[-1]
    assert (found.check, found.outcome, found.found) == (
        REASONS[reason].check,
        REASONS[reason].outcome,
        f"{reason}: details of it",
    )
    assert "{" not in found.remedy


@pytest.mark.parametrize("kind", OTHER_CONDITIONS)
def test_the_finding_of_other_conditions_while_they_are_true(kind):
    for status, outcomes in (("True", [OTHER_CONDITIONS[kind].outcome]), ("False", [])):
        other = {"type": kind, "status": status, "reason": "R", "message": "m"}
        live = model(stable=STABLE, conditions=[condition("Promoted"), other])
        assert [one.outcome for one in list(condition_results(seen(live)))[2:]] == outcomes


def test_a_reason_of_a_newer_operator_is_unknown():
    (_, found) = condition_results(seen(model(conditions=[condition("NewReason", "m")])))
    assert (found.outcome, found.found) == (Outcome.UNKNOWN, "NewReason: m")


def test_a_model_that_no_operator_has_seen():
    live = model()
    del live["status"]
    assert only(seen(live), "operator")[:2] == (
        Outcome.PROBLEM,
        "there is no status: no operator has checked it yet",
    )
    live = model(conditions=[condition("Promoted")], observedGeneration=1)
    assert only(seen(live), "operator")[:2] == (
        Outcome.WARNING,
        "the operator has seen generation 1 of the spec, not 2",
    )


@pytest.mark.parametrize(
    ("pods", "outcome", "text"),
    [
        ([], Outcome.PROBLEM, "there are no server pods"),
        ([pod(ready=False)], Outcome.PROBLEM, "0 of 1 pods are ready; none has started"),
        (
            [
                pod(),
                pod("b", containerStatuses=[{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "x"}}}]),
            ],
            Outcome.WARNING,
            "2 of 2 pods are ready; b: ImagePullBackOff x",
        ),
        ([pod(containerStatuses=[{"restartCount": 3, "state": {}}])], Outcome.WARNING, "started again 3 times"),
        (NO_RIGHT, Outcome.UNKNOWN, "cannot list"),
    ],
)
def test_the_finding_of_pods(pods, outcome, text):
    found, message, _ = only(seen(pods=pods), "pods")
    assert found is outcome
    assert text in message


def test_a_pod_that_is_not_scheduled_is_named_with_the_reason():
    unscheduled = pod(ready=False)
    unscheduled["status"]["conditions"].append(
        {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient memory."}
    )
    assert "Insufficient memory" in only(seen(pods=[unscheduled]), "pods")[1]


def test_routing_that_pods_do_not_confirm():
    propagation = {"revision": 4, "confirmed": False, "pods": "1/2", "since": "2026-01-02T11:00:00Z"}
    live = model(stable=STABLE, conditions=[condition("Promoted")], propagation=propagation)
    found = only(seen(live), "routing")
    assert found[:2] == (
        Outcome.WARNING,
        "1/2 pods serve the routing that was decided since 2026-01-02T11:00:00Z",
    )


def test_inputs_that_the_spec_names():
    spec = {
        "registry": {"uri": "/registry", "volume": {"claimName": "runs"}},
        "server": {
            "token": {"secretName": "tokens"},
            "rules": {"configMapName": "rules"},
            "store": {"postgres": {"secretName": "db"}},
            "pod": {"labels": {"secretName": "no-reference"}, "imagePullSecrets": [{"name": "pull"}]},
        },
    }
    found = dict(inputs_of(spec))
    assert found == {
        "PersistentVolumeClaim runs (spec.registry.volume.claimName)": ("persistentvolumeclaims", "runs"),
        "Secret tokens (spec.server.token.secretName)": ("secrets", "tokens"),
        "ConfigMap rules (spec.server.rules.configMapName)": ("configmaps", "rules"),
        "Secret db (spec.server.store.postgres.secretName)": ("secrets", "db"),
    }
    outcomes = [one.outcome for one in results(seen(inputs={"a": False, "b": True, "c": NO_RIGHT}), "inputs")]
    assert outcomes == [Outcome.PROBLEM, Outcome.OK, Outcome.UNKNOWN]


STAGE = CANDIDATE | {"stageStartedAt": "2026-01-02T11:00:00Z", "stage": 3}


@pytest.mark.parametrize(
    ("gate", "outcome", "text"),
    [
        ({"verdict": "Pass", "total": 1000, "estimate": 0.99}, Outcome.OK, "Pass, 99.0 % of 1,000"),
        ({"verdict": "Fail", "total": 10, "estimate": 0.5}, Outcome.PROBLEM, "Fail, R, 50.0 % of 10"),
        ({"verdict": "Fail", "role": "DryRun"}, Outcome.WARNING, "Fail, R"),
        ({}, Outcome.PROBLEM, "no data for 1h, R"),
        ({"role": "FailOnly"}, Outcome.OK, "no data for 1h, R"),
        ({"query": {"value": 0.0}}, Outcome.OK, "no verdict yet, R"),
        ({"query": {}}, Outcome.PROBLEM, "no data"),
        ({"total": 100, "estimate": 0.5, "needed": 100}, Outcome.OK, "no verdict yet, R, 50.0 % of 100"),
        (
            {"total": 100, "estimate": 0.5, "needed": 300},
            Outcome.WARNING,
            "too little traffic: about 300 more are needed, which takes 3h at this rate; analysis.maxDuration is 2h",
        ),
    ],
)
def test_the_finding_of_a_gate(gate, outcome, text):
    live = model(
        candidate=STAGE,
        spec={"analysis": {"maxDuration": "2h"}},
        conditions=[condition("RolloutProgressing")],
        gates=[{"name": "agreement", "reason": "R"} | gate],
    )
    found, message, remedy = only(seen(live), "gate agreement")
    assert (found, text in message) == (outcome, True), message
    assert bool(remedy) is (outcome is not Outcome.OK)


def test_a_gate_may_be_without_data_while_its_stage_is_new():
    young = STAGE | {"stageStartedAt": "2026-01-02T11:59:00Z"}
    live = model(candidate=young, gates=[{"name": "errors", "reason": "NoData"}])
    assert only(seen(live), "gate errors")[0] is Outcome.OK


def policy(**spec):
    return {"metadata": {"name": "deny"}, "spec": {"podSelector": {}} | spec}


FROM_ELSEWHERE = [{"namespaceSelector": {}}]


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ([policy()], Outcome.WARNING),
        ([policy(policyTypes=["Egress"])], Outcome.OK),
        ([policy(podSelector={"matchLabels": {"app": "other"}})], Outcome.OK),
        ([policy(podSelector={"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]})], Outcome.OK),
        (
            [policy(podSelector={"matchExpressions": [{"key": "serin.dev/model", "operator": "Exists"}]})],
            Outcome.WARNING,
        ),
        ([policy(podSelector={"matchExpressions": [{"key": "app", "operator": "In", "values": ["y"]}]})], Outcome.OK),
        (
            [policy(podSelector={"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]})],
            Outcome.OK,
        ),
        ([policy(ingress=[{"from": [{"podSelector": {}}]}])], Outcome.WARNING),
        ([policy(ingress=[{"from": FROM_ELSEWHERE, "ports": [{"port": 9090}]}])], Outcome.WARNING),
        ([policy(ingress=[{"from": FROM_ELSEWHERE, "ports": [{"port": 8080}]}])], Outcome.OK),
        ([policy(ingress=[{"from": FROM_ELSEWHERE, "ports": [{"port": 8000, "endPort": 9000}]}])], Outcome.OK),
        ([policy(ingress=[{"from": FROM_ELSEWHERE, "ports": [{"port": "http"}]}])], Outcome.OK),
        ([policy(ingress=[{}])], Outcome.OK),
        ([policy(), policy(ingress=[{"from": FROM_ELSEWHERE}])], Outcome.OK),
        (NO_RIGHT, Outcome.UNKNOWN),
    ],
)
def test_the_finding_of_network_policies(found, outcome):
    assert only(seen(policies=found), "network policies")[0] is outcome


def metrics(run, *, slow=0, agree=100, differ=0):
    return list(
        samples(
            f"""# TYPE lm_ml_predict_latency_seconds histogram
lm_ml_predict_latency_seconds_bucket{{serin_run="{run}",le="0.25"}} {1000 - slow}
lm_ml_predict_latency_seconds_bucket{{serin_run="{run}",le="+Inf"}} 1000
serin_class_compare_total{{serin_run="{run}",serin_class="Groceries",agree="True"}} {agree}
serin_class_compare_total{{serin_run="{run}",serin_class="Groceries",agree="False"}} {differ}
serin_class_compare_total{{serin_run="{run}",serin_class="Fuel",agree="False"}} 3
"""
        )
    )


@pytest.mark.parametrize(
    ("check", "options", "outcome", "text"),
    [
        ("latency", {"slow": 40}, Outcome.OK, "4.0 % of 1,000 predictions took longer than 250 ms"),
        ("latency", {"slow": 60}, Outcome.WARNING, "6.0 % of 1,000"),
        ("agreement", {}, Outcome.OK, "at least 100 % in every class"),
        ("agreement", {"agree": 20, "differ": 80}, Outcome.WARNING, "low in Groceries 20 % of 100"),
    ],
)
def test_the_findings_of_what_the_pods_have_measured(check, options, outcome, text):
    live = model(candidate=CANDIDATE, stable=STABLE, conditions=[condition("RolloutProgressing")])
    found = only(seen(live, metrics={"a": metrics(RUN, **options), "b": NO_RIGHT}), check)
    assert (found[0], text in found[1]) == (outcome, True), found
    assert results(seen(live, metrics={"a": metrics(OLD, **options)}), check) == []


def test_a_run_that_pods_refuse_and_one_that_fails():
    live = model(candidate=CANDIDATE, conditions=[condition("RolloutProgressing")])
    text = f'serin_run_refused{{serin_run="{RUN}"}} 1\nserin_breaker_open{{serin_run="{RUN}"}} 1'
    made = seen(live, metrics={"a": list(samples(text))})
    assert only(made, "registry")[:2] == (Outcome.PROBLEM, f"1 pods refuse {RUN}")
    assert only(made, "model")[0] is Outcome.PROBLEM


def test_metrics_that_may_not_be_read_are_unknown():
    assert only(seen(metrics={"a": NO_RIGHT}), "server metrics")[0] is Outcome.UNKNOWN


def test_samples_of_the_text_format():
    text = '# HELP a b\na{x="1,\\"2\\"",y="\\\\"} 1.5\na{x="n"} 2 1700000000\nb +Inf\nbroken{\nc x\n'
    found = list(samples(text))
    assert [(one.name, dict(one.labels), one.value) for one in found] == [
        ("a", {"x": '1,"2"', "y": "\\"}, 1.5),
        ("a", {"x": "n"}, 2.0),
        ("b", {}, float("inf")),
    ]
    assert total_by(found, "a", "x", y="\\") == {'1,"2"': 1.5}


def test_the_text_has_a_section_for_each_subject_and_what_to_do():
    found = [
        Result("operator", Outcome.OK, "2 of 2"),
        Result("pods", Outcome.PROBLEM, "none", "look", subject="shop/a"),
        Result("inputs", Outcome.UNKNOWN, "no right", subject="shop/a"),
        Result("gates", Outcome.WARNING, "w", "x", subject="shop/a"),
        Result("gates", Outcome.WARNING, "w", "x", subject="shop/a"),
    ]
    assert describe(found) == [
        "installation:",
        "  ok       operator  2 of 2",
        "shop/a:",
        "  problem  pods      none",
        "                     to do: look",
        "  unknown  inputs    no right",
        "  warning  gates     w",
        "                     to do: x",
        "  warning  gates     w",
        "                     to do: x",
        "1 problem, 2 warnings, 1 unknown; 5 results",
    ]


class Cluster:
    """A cluster that has a text for prefixes of paths; the longest applies, and an error without one."""

    namespace = "shop"

    def __init__(self, live, answers, *, may=True):
        self.live, self.answers, self._may, self.accepted = live, answers, may, {}

    def get(self, _name):
        return self.live

    def models(self):
        return {"items": [self.live]}

    def may(self, _verb, _resource, *, group=""):
        assert group == "serin.dev"
        return self._may

    def read(self, path, *, accept="application/json", **_query):
        self.accepted[path] = accept
        found = [one for one in self.answers if path.startswith(one)]
        if not found:
            raise AbsentError(f"{path} does not exist")
        answer = self.answers[max(found, key=len)]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, str) else json.dumps(answer)


OPERATOR_POD = pod("serin-operator-1")
CORE, NAMESPACES = "/api/v1/namespaces", "/apis/apps/v1/namespaces"
ANSWERS = {
    "/apis/apiextensions.k8s.io": HEALTHY.definition,
    f"{NAMESPACES}/serin-system/deployments": {"items": [deployment()]},
    "/apis/coordination.k8s.io": {"items": [{"metadata": {"name": "other"}}]},
    "/apis/networking.k8s.io": {"items": []},
    f"{CORE}/serin-system/pods": {"items": [OPERATOR_POD]},
    f"{CORE}/serin-system/pods/http:serin-operator-1:8081/proxy/metrics": "x 1",
    f"{CORE}/shop/pods": {"items": [pod()]},
    f"{CORE}/shop/pods/http:categories-1:8080/proxy/metrics": "",
    f"{CORE}/shop/secrets/tokens": {"kind": "PartialObjectMetadata"},
}
LIVE = model(stable=STABLE, conditions=[condition("Promoted", "all fine")]) | {
    "spec": {"server": {"token": {"secretName": "tokens"}}}
}


def test_the_command_on_a_healthy_cluster(monkeypatch):
    cluster = Cluster(LIVE, ANSWERS)
    ended = run(monkeypatch, app, cluster, "sgm/categories")
    assert ended.exit_code == 0, ended.output
    assert "ok       pods" in ended.output
    assert "Secret tokens (spec.server.token.secretName) exists" in ended.output
    assert "PartialObjectMetadata" in cluster.accepted[f"{CORE}/shop/secrets/tokens"]
    assert ended.output.splitlines()[-1].startswith("1 warning;"), "no Lease of an operator"


def test_the_command_ends_with_status_1_if_there_is_a_problem_and_prints_json(monkeypatch):
    answers = {path: answer for path, answer in ANSWERS.items() if "secrets" not in path}
    ended = run(monkeypatch, app, Cluster(LIVE, answers), "categories", "-o", "json")
    assert ended.exit_code == 1
    printed = json.loads(ended.output)
    (problem,) = [one for one in printed["results"] if one["outcome"] == "problem"]
    assert problem == {
        "check": "inputs",
        "outcome": "problem",
        "found": "Secret tokens (spec.server.token.secretName) does not exist",
        "remedy": "create it, or correct the name",
        "subject": "shop/categories",
    }
    assert (printed["problems"], printed["warnings"]) == (1, 1)


def test_without_any_right_everything_else_is_unknown_and_names_the_right(monkeypatch):
    refused = ClusterError('the API server answered 403 Forbidden: User "jane" cannot list resource "pods"')
    cluster = Cluster(LIVE, dict.fromkeys(("/api", "/apis"), refused))
    ended = run(monkeypatch, app, cluster, "categories")
    assert ended.exit_code == 0
    assert ended.output.count("403 Forbidden") == 7
    assert "problem" not in ended.output


def test_without_a_name_the_conditions_of_all_models_are_checked(monkeypatch):
    live = LIVE | {"status": LIVE["status"] | {"conditions": [condition("RegistryUnavailable", "away")]}}
    ended = run(monkeypatch, app, Cluster(live, ANSWERS))
    assert ended.exit_code == 1
    assert "shop/categories:" in ended.output
    assert "problem  registry" in ended.output
    assert "pods  " not in ended.output.partition("shop/categories:")[2]
