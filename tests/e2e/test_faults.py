"""What happens when things fail: nothing bad is served, nothing is lost, and it is said."""

import json
import os
import shutil
import time
from datetime import datetime

import pytest

pytestmark = pytest.mark.cluster


def unix_now():
    return time.time()


@pytest.fixture
def own_registry(registry, tmp_path):
    """A registry that a test may damage."""
    shutil.copytree(registry.path, tmp_path / "runs")
    return registry.__class__(
        **{name: getattr(registry, name) for name in registry.__dataclass_fields__} | {"path": tmp_path / "runs"}
    )


@pytest.fixture
def damaged(installed, cluster, own_registry, rollout):
    """A rollout whose registry is its own."""
    made = rollout.__class__(installed, cluster, f"{rollout.namespace}-own")
    made.prepare(own_registry)
    yield made
    made.close()


def refused(rollout, reason):
    status = rollout.wait(lambda status: status["phase"] == "Refused", what="RunRefused")
    ready = rollout.condition()
    assert (ready["status"], ready["reason"]) == ("False", "RunRefused")
    assert reason in ready["message"]
    routing = json.loads(rollout.kubectl("get", "cm", f"{rollout.name}-routing", "-o", "json"))
    assert json.loads(routing["data"]["routing.json"])["candidate"] is None
    return status


def test_a_run_that_is_not_there_is_refused_and_the_rules_answer(rollout, registry):
    traffic = rollout.send(registry.traffic, rate=50)
    rollout.apply("run_00000000_1")
    refused(rollout, "run_00000000_1")
    rollout.wait(lambda _: traffic.sent > 0, what="answers by the rules")
    assert traffic.failed == 0


def test_a_run_whose_file_was_changed_is_refused(damaged, own_registry):
    model = own_registry.path / "ledger_suggestions" / own_registry.good / "model.txt"
    model.write_bytes(model.read_bytes().replace(b"0", b"1", 1))
    damaged.apply(own_registry.good)
    refused(damaged, "model.txt")


def test_a_run_with_another_digest_than_the_pinned_one_is_refused(rollout, registry):
    rollout.apply(registry.good, digest="sha256:" + "0" * 64)
    refused(rollout, "digest")


def test_a_run_whose_report_is_below_the_gate_is_refused(rollout, registry):
    rollout.apply(registry.poor)
    refused(rollout, "acceptance gate")


def test_prometheus_away_in_mid_stage_holds_and_says_so_and_goes_on_when_it_is_back(rollout, registry, local):
    rollout.apply(registry.good)
    rollout.wait_for_stage(0)
    local.stop_prometheus()
    try:
        rollout.send(registry.traffic)
        rollout.wait(lambda _: rollout.condition()["reason"] == "MetricsUnavailable", what="MetricsUnavailable")
        assert rollout.status["candidate"]["percent"] == 0
        assert rollout.condition("Reconciling")["status"] == "True"
    finally:
        local.start_prometheus()
    rollout.wait_for_phase("Promoted", seconds=120)
    assert "MetricsUnavailable" in rollout.events()


def test_an_operator_killed_in_mid_stage_goes_on_without_an_early_step(rollout, registry, kill_operator):
    steps = [{"percent": percent, "soak": "8s"} for percent in (10, 100)]
    rollout.apply(registry.good, canary={"shadowSoak": "8s", "steps": steps})
    rollout.send(registry.traffic)
    rollout.wait_for_stage(0)
    kill_operator()
    status = rollout.wait_for_stage(10, seconds=90)
    started = {entry["percent"]: entry["at"] for entry in status["history"] if entry["event"] == "Started"}
    raised = next(entry["at"] for entry in status["history"] if entry["event"] == "Raised")
    assert seconds_between(started[0], raised) >= 8
    kill_operator()
    rollout.wait_for_phase("Promoted", seconds=120)


def seconds_between(earlier, later):
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_a_routing_edited_by_hand_is_put_back_as_a_higher_revision(rollout, registry):
    rollout.apply(registry.good)
    before = rollout.wait_for_stage(0)["propagation"]["revision"]
    name = f"{rollout.name}-routing"
    document = json.loads(json.loads(rollout.kubectl("get", "cm", name, "-o", "json"))["data"]["routing.json"])
    document["candidate"]["percent"] = 100
    patch = {"data": {"routing.json": json.dumps(document)}}
    rollout.kubectl("patch", "cm", name, "--type=merge", "-p", json.dumps(patch))
    status = rollout.wait(
        lambda status: status["propagation"]["revision"] > before and status["propagation"].get("confirmed"),
        what="a higher revision",
    )
    found = json.loads(json.loads(rollout.kubectl("get", "cm", name, "-o", "json"))["data"]["routing.json"])
    assert found["candidate"]["percent"] == 0
    assert found["revision"] == status["propagation"]["revision"]
    assert "RoutingPutBack" in rollout.events()


def test_a_deployment_edited_by_hand_is_put_back(rollout, registry):
    rollout.apply(registry.good)
    rollout.wait_for_stage(0)
    rollout.kubectl("scale", "deployment", rollout.name, "--replicas=5")
    deadline = unix_now() + 20
    while json.loads(rollout.kubectl("get", "deployment", rollout.name, "-o", "json"))["spec"]["replicas"] != 2:
        assert unix_now() < deadline
        time.sleep(0.2)


def test_a_candidate_whose_containers_crash_is_taken_back_without_prometheus(rollout, registry, local):
    local.stop_prometheus()
    try:
        rollout.apply(registry.good)
        rollout.wait_for_stage(0)
        for _ in range(40):
            for pod in rollout.pods():
                for pid in local.pod_process_ids(rollout.namespace, pod["metadata"]["name"]):
                    os.kill(pid, 9)
            if rollout.status["phase"] == "RolledBack":
                break
            time.sleep(0.5)
        status = rollout.wait_for_phase("RolledBack", seconds=90)
    finally:
        local.start_prometheus()
    assert status["history"][-1]["event"] == "Crashed"
    assert registry.good not in [run["runID"] for run in status.get("podRuns", [])]
