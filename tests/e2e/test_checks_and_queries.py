"""Checks and queries on a real API server and Prometheus, with server pods and traffic: each changes the outcome."""

import pytest
from e2e.conftest import canary

pytestmark = pytest.mark.cluster


def test_a_check_that_waits_holds_its_step_and_one_that_fails_rolls_back(rollout, registry, check_endpoint):
    checks = [
        {"name": "smoke", "endpoint": "ci", "before": [10]},
        {"name": "release", "endpoint": "ci", "before": [100]},
    ]
    gates = rollout.resource(registry.good)["spec"]["gates"] | {"checks": checks}
    check_endpoint.verdicts[rollout.namespace, "smoke"] = "Wait", "312 tests are running"
    rollout.send(registry.traffic)
    rollout.apply(registry.good, gates=gates, canary=canary("1s", 10, 100))

    ready = rollout.wait_for_reason("CheckPending", seconds=90)
    status = rollout.wait(lambda status: (status.get("checks") or [{}])[0].get("answers"), what="an answer")
    assert (status["candidate"]["percent"], status["checks"][0]["verdict"]) == (0, "Wait")
    ready = rollout.condition()
    assert (
        'check smoke (endpoint ci) before 10 % answered Wait: "312 tests are running"; asked again at'
        in (ready["message"])
    )
    shown = rollout.serin("status")
    assert 'check      smoke (endpoint ci) before 10 % answered Wait: "312 tests are running"' in shown
    first = check_endpoint.requests(rollout.namespace, "smoke")[0]
    assert (first["run"]["name"], first["step"]["percent"]) == (registry.good, 10)
    assert {gate["name"]: gate["verdict"] for gate in first["evidence"]}["agreement"] == "Pass"

    check_endpoint.verdicts[rollout.namespace, "smoke"] = "Pass", "312 tests passed"
    status = rollout.wait_for_stage(10, seconds=60)
    passed = next(entry for entry in status["history"] if entry["event"] == "CheckPassed")
    assert passed["message"].startswith('Check smoke (endpoint ci) passed before 10 %: "312 tests passed"')
    asked = check_endpoint.requests(rollout.namespace, "smoke")
    assert {one["id"] for one in asked} == {first["id"]}

    # Nothing is known of the second check yet: HTTP 503 holds, a Fail rolls back.
    rollout.wait(lambda status: (status.get("checks") or [{}])[0].get("answers"), what="an error", seconds=60)
    assert "answered with HTTP 503 Service Unavailable" in rollout.condition()["message"]
    check_endpoint.verdicts[rollout.namespace, "release"] = "Fail", "the release is stopped"
    status = rollout.wait_for_phase("RolledBack", seconds=60)
    assert status["history"][-1]["event"] == "CheckFailed"
    reason = 'check release (endpoint ci) failed before 100 %: "the release is stopped"'
    assert reason in status["candidate"]["reason"]
    assert {"CheckRequested", "CheckPending", "CheckPassed", "CheckFailed"} <= set(rollout.events())


def test_a_query_that_is_violated_for_its_time_rolls_back_a_run_that_all_counts_let_pass(rollout, registry):
    requests = f'sum(lm_ml_predict_requests_total{{serin_model="{rollout.namespace}/{rollout.name}"}})'
    query = {"name": "load", "query": requests, "atMost": 2000, "for": "2s"}
    gates = rollout.resource(registry.good)["spec"]["gates"] | {"queries": [query]}
    rollout.send(registry.traffic)
    rollout.apply(registry.good, gates=gates, canary=canary("300s", 100))
    status = rollout.wait_for_phase("RolledBack", seconds=90)
    assert status["history"][-1]["event"] == "GateFailed"
    failed = [gate["name"] for gate in status["gates"] if gate["verdict"] == "Fail"]
    assert failed == ["load"]
    assert "(at most 2000 for 2s; violated since" in status["candidate"]["reason"]


def test_a_query_that_returns_several_series_holds_and_says_what_to_do(rollout, registry):
    query = {"name": "series", "query": "up or vector(1)", "atLeast": 0, "for": "1s"}
    gates = rollout.resource(registry.good)["spec"]["gates"] | {"queries": [query]}
    rollout.send(registry.traffic)
    rollout.apply(registry.good, gates=gates, canary=canary("1s", 100))
    rollout.wait_for_stage(0, seconds=60)

    def holds(status):
        return any(gate["name"] == "series" and gate["reason"] == "NotOneNumber" for gate in status.get("gates", []))

    status = rollout.wait(holds, what="the result of the query")
    detail = next(gate["detail"] for gate in status["gates"] if gate["name"] == "series")
    assert detail == "the query returned several series; wrap it in max() or sum()"
    rollout.stays(lambda status: status["candidate"]["percent"] == 0)
    rollout.apply(registry.good, gates=gates | {"queries": [query | {"query": "max(up)"}]}, canary=canary("1s", 100))
    rollout.wait_for_phase("Promoted", seconds=90)
