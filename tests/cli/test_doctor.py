"""`kubectl serin doctor`: findings of one SuggestionModel."""

import re

import pytest
from cli.doctor_examples import NO_RIGHT, NOW, ROOT, only, pod, results, seen
from cli.fakes import CANDIDATE, OLD, RUN, STABLE, condition, model

from serin_cli.doctor.models import condition_results, model_results
from serin_cli.doctor.reading import inputs_of
from serin_cli.doctor.reasons import OTHER_CONDITIONS, REASONS
from serin_cli.doctor.results import Outcome
from serin_cli.doctor.samples import samples
from serin_core.contract.pod_report import ClassCoverage, LoadState, PodReport, RunOnPod, RunQuality


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
    named = re.findall(r"\b([A-Z][A-Za-z]+) \(", paragraph.partition("\n\n")[0])
    assert sorted(named) == sorted([*OTHER_CONDITIONS, "Available"])


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
QUERY = {"query": "up", "for": 60.0}


@pytest.mark.parametrize(
    ("gate", "outcome", "text"),
    [
        ({"verdict": "Pass", "total": 1000, "estimate": 0.99}, Outcome.OK, "Pass, 99.0 % of 1,000"),
        ({"verdict": "Fail", "total": 10, "estimate": 0.5}, Outcome.PROBLEM, "Fail, R, 50.0 % of 10"),
        ({"verdict": "Fail", "role": "DryRun"}, Outcome.WARNING, "Fail, R"),
        ({}, Outcome.PROBLEM, "no data for 1h, R"),
        ({"role": "FailOnly"}, Outcome.OK, "no data for 1h, R"),
        ({"query": QUERY | {"value": 0.0}}, Outcome.OK, "no verdict yet, R"),
        ({"query": QUERY}, Outcome.PROBLEM, "no data"),
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
        ("agreement", {}, Outcome.OK, "lowest in Groceries 100 % of 100"),
        ("agreement", {"agree": 20, "differ": 80}, Outcome.WARNING, "low in Groceries 20 % of 100"),
    ],
)
def test_the_findings_of_what_the_pods_have_measured(check, options, outcome, text):
    live = model(candidate=CANDIDATE, stable=STABLE, conditions=[condition("RolloutProgressing")])
    found = only(seen(live, metrics={"a": metrics(RUN, **options), "b": NO_RIGHT}), check)
    assert (found[0], text in found[1]) == (outcome, True), found
    assert results(seen(live, metrics={"a": metrics(OLD, **options)}), check) == []


def test_a_run_whose_predictions_fail():
    live = model(candidate=CANDIDATE, conditions=[condition("RolloutProgressing")])
    made = seen(live, metrics={"a": list(samples(f'serin_breaker_open{{serin_run="{RUN}"}} 1'))})
    assert only(made, "model")[0] is Outcome.PROBLEM


def test_what_was_measured_of_the_stable_run_once_the_candidate_is_rolled_back():
    live = model(candidate=CANDIDATE | {"state": "RolledBack"}, stable=STABLE, conditions=[condition("RolledBack")])
    assert results(seen(live, metrics={"a": metrics(RUN)}), "latency") == []
    assert only(seen(live, metrics={"a": metrics(OLD)}), "latency")[0] is Outcome.OK


def report(run=RUN, state="loaded", **fields):
    return PodReport(uid="u", process="p", runs=(RunOnPod(run=run, state=LoadState(state), **fields),))


@pytest.mark.parametrize(
    ("reports", "outcome", "text"),
    [
        ([report(digest="a"), report(digest="a")], Outcome.OK, "is complete, verified and loaded on 2 of 2 pods"),
        ([report(digest="a"), report(digest="b")], Outcome.PROBLEM, "different files as run_0123abcd_1767225600: a, b"),
        ([report(digest="a"), report(state="refused", reason="damaged")], Outcome.PROBLEM, "1 of 2 pods: damaged"),
        ([report(state="loading", absent=True, reason="it is not there")], Outcome.WARNING, "cannot find"),
        ([report(state="loading", reason="the bucket is away")], Outcome.PROBLEM, "on 1 of 1 pod: the bucket is away"),
        ([report(state="loading")], Outcome.OK, "is not loaded yet on 1 of 1 pod"),
        ([report(digest="a", reason="timeout")], Outcome.WARNING, "keeps what it has loaded: timeout"),
        ([NO_RIGHT], Outcome.UNKNOWN, "cannot list"),
        ([NO_RIGHT, report(digest="a")], Outcome.OK, "loaded on 1 of 1 pod"),
    ],
)
def test_the_finding_of_the_registry(reports, outcome, text):
    live = model(candidate=CANDIDATE, conditions=[condition("RolloutProgressing")])
    found = only(seen(live, reports=dict(enumerate(reports))), "registry")
    assert (found[0], text in found[1], bool(found[2])) == (outcome, True, outcome in ("warning", "problem")), found


@pytest.mark.parametrize(
    ("after", "before", "spec", "outcomes"),
    [
        (0.02, 0.05, {}, [Outcome.OK]),
        (0.05, 0.02, {}, [Outcome.WARNING]),
        (0.05, 0.02, {"calibration": False}, []),
        (None, 0.02, {}, []),
    ],
)
def test_the_finding_of_the_calibration(after, before, spec, outcomes):
    live = model(candidate=CANDIDATE, spec=spec, conditions=[condition("RolloutProgressing")])
    quality = RunQuality(f1_macro=0.9, f1_min=0.8, calibration_error=after, uncalibrated_error=before)
    found = results(seen(live, reports={"a": report(quality=quality)}), "calibration")
    assert [one.outcome for one in found] == outcomes


@pytest.mark.parametrize(
    ("groceries", "fuel", "outcome", "text"),
    [
        (700, 300, Outcome.OK, "PSI of the predicted classes 0.16 over 1,030 predictions"),
        (950, 50, Outcome.WARNING, "above 0.25: Fuel 4.9 %, 40.0 % on the test data of the run"),
        (90, 1, None, ""),
    ],
)
def test_the_finding_of_drift(groceries, fuel, outcome, text):
    shares = {"Groceries": 0.6, "Fuel": 0.4}
    coverage = {label: ClassCoverage(share=share, by_threshold={}) for label, share in shares.items()}
    quality = RunQuality(f1_macro=0.9, f1_min=0.8, coverage=coverage)
    live = model(candidate=CANDIDATE, conditions=[condition("RolloutProgressing")])
    given = samples(
        f"""# TYPE serin_class_compare_total counter
serin_class_compare_total{{serin_run="{RUN}",serin_class="Groceries",agree="None"}} {groceries}
serin_class_compare_total{{serin_run="{RUN}",serin_class="Fuel",agree="True"}} {fuel}
serin_class_compare_total{{serin_run="{RUN}",serin_class="Rent",agree="False"}} 30
"""
    )
    found = results(seen(live, metrics={"a": list(given)}, reports={"a": report(quality=quality)}), "drift")
    assert [(one.outcome, text in one.found) for one in found] == ([(outcome, True)] if outcome else []), found
    assert results(seen(live, metrics={"a": list(given)}), "drift") == [], "without a report nothing is compared"


def test_a_gate_that_this_version_cannot_read_is_unknown():
    live = model(candidate=STAGE, gates=[{"name": "agreement", "reason": "R", "verdict": "Perhaps"}])
    assert only(seen(live), "gate agreement")[0] is Outcome.UNKNOWN


def test_metrics_that_may_not_be_read_are_unknown():
    assert only(seen(metrics={"a": NO_RIGHT}), "server metrics")[0] is Outcome.UNKNOWN
