"""Rollouts on a real API server and Prometheus, with server pods and traffic."""

import json
import time

import pytest
from e2e.conftest import canary
from e2e.dashboard_queries import Queries, check_dashboards, evaluated_alerts

from serin_demo.commands import CommandError, run

pytestmark = pytest.mark.cluster


def test_a_good_run_goes_from_shadow_to_all_users_and_a_bad_one_is_rolled_back(
    rollout, registry, cluster, check_endpoint
):
    queries = Queries(cluster.prometheus_url, time.time())
    query = {"name": "targets", "query": "max(up)", "atLeast": 1, "for": "1s"}
    gates = rollout.resource(registry.good)["spec"]["gates"]
    gates |= {"queries": [query], "checks": [{"name": "smoke", "endpoint": "ci", "before": [10]}]}
    check_endpoint.verdicts[rollout.namespace, "smoke"] = "Pass", "312 tests passed"
    rollout.send(registry.traffic)
    rollout.apply(registry.good, gates=gates)
    before = rollout.get()
    status = rollout.wait_for_phase("Promoted", seconds=120)
    assert status["stable"]["runID"] == registry.good
    raised = [entry["percent"] for entry in status["history"] if entry["event"] == "StepAdvanced"]
    assert raised == [10, 50, 100]
    for entry in status["history"]:
        if entry["event"] in ("StepAdvanced", "Promoted"):
            assert all(name in entry["message"] for name in ("availability", "errors", "latency", "agreement"))
    assert rollout.condition()["status"] == "True"
    rollout.wait_for_events("RolloutStarted", "AcceptancePassed", "StepAdvanced", "Promoted")

    record = rollout.record(status["trial"])
    assert [one.event for one in record.transitions] == [entry["event"] for entry in status["history"]]
    assert (record.run_id, record.outcome) == (registry.good, "Promoted")
    promoted = record.transitions[-1]
    assert {gate.verdict for gate in promoted.gates if gate.role == "Acting"} == {"Pass"}
    assert {point[1] for point in record.curves["agreement"]} == {0, 10, 50, 100}

    # The user's fields are unchanged, and nothing is written while nothing changes.
    settled = rollout.get()
    assert settled["spec"] == before["spec"]
    assert settled["metadata"].get("labels") == before["metadata"].get("labels")
    assert settled["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert "finalizers" not in settled["metadata"]
    time.sleep(3)
    assert rollout.get()["metadata"]["resourceVersion"] == settled["metadata"]["resourceVersion"]

    # Accurate offline, wrong live: stopped in shadow, no user ever saw it.
    rollout.apply(registry.outdated, gates=gates)
    status = rollout.wait_for_phase("RolledBack", seconds=90)
    assert status["stable"]["runID"] == registry.good
    history = [entry for entry in status["history"] if entry["runID"] == registry.outdated]
    assert history[-1]["event"] == "GateFailed"
    assert max(entry["percent"] for entry in history) == 0
    assert [gate["name"] for gate in status["gates"] if gate["verdict"] == "Fail"] == ["agreement"]
    assert "agreement" in history[-1]["message"]
    record = rollout.record(status["trial"], until=lambda record: record.rollbacks and record.rollbacks[0].seconds)
    assert (record.run_id, record.outcome, record.transitions[-1].event) == (
        registry.outdated,
        "RolledBack",
        "GateFailed",
    )
    assert record.rollbacks[0].seconds < 60
    assert rollout.condition("Stalled")["status"] == "True"
    assert rollout.condition("Available")["status"] == "True"

    # What users read.
    output = rollout.kubectl("get", "sgm")
    assert registry.good in output
    assert "RolledBack" in output
    status_text = run(
        ["kubectl-serin", "status", rollout.name, "-n", rollout.namespace],
        environment={"KUBECONFIG": str(rollout.cluster.kubeconfig)},
    )
    assert "agreement" in status_text

    # What the dashboards show, and which alert fires.
    model = f"{rollout.namespace}/{rollout.name}"
    check_dashboards(queries, model)
    alerts = evaluated_alerts(queries)
    fired = [one for one in alerts["SerinRolledBack"] if one["serin_model"] == model]
    assert [(one["namespace"], one["name"], one["event"]) for one in fired] == [
        (rollout.namespace, rollout.name, "GateFailed")
    ]
    assert alerts["SerinNoLeader"] == []

    # A revert in Git names the stable run again: promoted, nothing else to do.
    rollout.apply(registry.good, gates=gates)
    rollout.wait_for_phase("Promoted")


def test_deleting_the_resource_removes_its_children(rollout, registry):
    rollout.apply(registry.good)
    rollout.wait_for_stage(0)
    rollout.kubectl("delete", "sgm", rollout.name)

    def children():
        found = rollout.kubectl("get", "deploy,svc,cm,pdb,pods", "-l", f"serin.dev/model={rollout.name}", "-o", "name")
        return found.split()

    for _ in range(100):
        if not children():
            break
        time.sleep(0.3)
    assert children() == []


def own(good):
    """Return a custom gate."""
    return {"name": "orders", "good": good, "total": "shop_orders_total", "atLeast": 0.9}


@pytest.mark.parametrize("good", ['shop{path="/{id}",id=\'{"x"}\'}', '{"http.server.requests",code="200"}', "{`ä b`,}"])
def test_selectors_of_prometheus_3_are_accepted_at_apply(rollout, registry, good):
    body = rollout.resource(registry.good, gates={"custom": [own(good)]})
    rollout.kubectl("apply", "--dry-run=server", "-f", "-", text=json.dumps(body))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"canary": {"steps": [{"percent": 50}, {"percent": 10}]}}, "strictly increasing"),
        ({"canary": {"percent": 101}}, "less than or equal to 100"),
        ({"gates": {"beauty": {}}}, "unknown field"),
        ({"gates": {"agreement": {"atLeast": 0.7, "margin": 0.8}}}, "margin must be below"),
        ({"canary": {"shadowSoak": "1 day"}}, "must be a duration"),
        ({"gates": {"custom": [own("rate(shop_orders_total[5m])")]}}, "must be a metric with label matchers and no"),
        ({"gates": {"custom": [own('{code="200"}')]}}, "must be a metric with label matchers and no other PromQL"),
        ({"canary": {"supervisionTimeout": "30s"}}, "must be at least 1m, or 0s to switch it off"),
        ({"runID": "latest"}, "should match"),
        ({"canary": {"windows": [{"from": "09:00", "to": "09:00"}]}}, "the window never opens"),
        ({"canary": {"windows": [{"from": "09:00", "to": "16:00", "days": []}]}}, "should have at least 1 items"),
        ({"canary": {"windows": [{"from": "09:00", "to": "10:00", "timeZone": "Europe/Berln"}]}}, "unknown time zone"),
        ({"canary": {"approval": "Maybe"}}, 'supported values: "Automatic", "Manual"'),
        ({"thresholds": {"default": 2}}, "less than or equal to 1"),
        ({"typo": 1}, "unknown field"),
        ({"bake": {"holdback": 5}}, "a holdback needs a duration above 0s"),
        ({"bake": {"duration": "1h", "holdback": 60}}, "leaves less than the step before 100 percent"),
        ({"rollback": {"window": 11}}, "less than or equal to 10"),
    ],
    ids=[
        "decreasing steps",
        "percent 101",
        "unknown gate",
        "great margin",
        "bad duration",
        "short supervision",
        "PromQL",
        "a selector without a name",
        "bad run",
        "a window that never opens",
        "a window without days",
        "an unknown zone",
        "an unknown approval",
        "threshold 2",
        "typo",
        "holdback without a bake",
        "holdback above what the steps leave",
        "window 11",
    ],
)
def test_an_invalid_spec_is_rejected_at_apply_with_the_reason(rollout, registry, changes, message):
    body = rollout.resource(registry.good)
    body["spec"] |= changes
    with pytest.raises(CommandError, match=message):
        rollout.kubectl("apply", "-f", "-", text=json.dumps(body))


def test_a_user_promotes_aborts_and_retries(rollout, registry):
    environment = {"KUBECONFIG": str(rollout.cluster.kubeconfig)}

    def serin(verb, *more):
        return run(["kubectl-serin", verb, rollout.name, "-n", rollout.namespace, *more], environment=environment)

    rollout.apply(registry.good)
    rollout.wait_for_stage(0)
    assert "Advanced from 0 % to 10 %" in serin("promote", "--reason", "trust me")
    status = rollout.wait_for_stage(10)
    assert "trust me" in status["history"][-2]["by"]

    serin("abort", "--reason", "second thoughts")
    rollout.wait_for_phase("RolledBack")
    with pytest.raises(CommandError, match="Ignored"):
        serin("promote")

    serin("retry")
    assert rollout.wait_for_stage(0)["candidate"]["attempt"] == 2

    serin("promote-full", "--reason", "restored from Git")
    assert rollout.wait_for_phase("Promoted")["stable"]["runID"] == registry.good

    # The emergency stop of a promoted run.
    canary = rollout.resource(registry.good)["spec"]["canary"] | {"percent": 0}
    rollout.apply(registry.good, canary=canary)
    assert "stable" not in rollout.wait_for_phase("Stopped")


def test_a_suspended_rollout_holds_resets_evidence_when_rules_change_and_resumes(rollout, registry):
    steps = canary("3s", 10, 100)
    rollout.send(registry.traffic)
    rollout.apply(registry.good, canary=steps)
    rollout.wait_for_stage(10, seconds=90)
    rollout.apply(registry.good, canary=steps, suspend=True)
    before = rollout.wait(lambda status: status["phase"] == "Suspended", what="Suspended")["candidate"]
    pods = {pod["metadata"]["uid"] for pod in rollout.pods()}
    time.sleep(5)
    assert rollout.status["candidate"]["percent"] == 10
    assert rollout.condition()["reason"] == "Suspended"
    log = rollout.installed.kubectl("logs", "-n", "serin-system", "deployment/serin-operator")
    assert f"{rollout.name}: AcceptancePassed" in log
    applied = f"{rollout.namespace}/{rollout.name}: applied ConfigMap {rollout.name}-model"
    assert applied not in log, "it was as rendered"

    rules = registry.rules.replace("classes:", "# a comment of the editor's\nclasses:", 1)
    patch = {"data": {"rules.yaml": rules}}
    rollout.kubectl("patch", "configmap", "rules", "--type=merge", "-p", json.dumps(patch))

    def evidence_is_reset(status):
        candidate = status["candidate"]
        return candidate.get("stage", 0) > before["stage"] and "stageStartedAt" in candidate

    reset = rollout.wait(evidence_is_reset, seconds=180, what="a stage with new evidence")["candidate"]
    assert reset["percent"] == 10
    assert pods.isdisjoint(pod["metadata"]["uid"] for pod in rollout.pods())

    rollout.apply(registry.good, canary=steps, suspend=False)
    rollout.wait_for_phase("Promoted", seconds=90)
