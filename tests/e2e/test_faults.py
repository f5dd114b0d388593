"""Faults: nothing wrong is served, nothing is lost, and the fault is reported."""

import json
import os
import shutil
import signal
import time

import pytest
from e2e.conftest import canary, every_stage_began_once

pytestmark = pytest.mark.cluster


@pytest.fixture
def own_registry(registry, tmp_path):
    """A registry that a test may damage."""
    shutil.copytree(registry.path, tmp_path / "runs")
    return registry.__class__(
        **{name: getattr(registry, name) for name in registry.__dataclass_fields__} | {"path": tmp_path / "runs"}
    )


@pytest.fixture
def damaged(installed, cluster, own_registry, rollout):
    """A rollout with a registry that the test may damage."""
    made = rollout.__class__(installed, cluster, f"{rollout.namespace}-own")
    made.prepare(own_registry)
    yield made
    made.close()


def refused(rollout, run, reason):
    def holds(status):
        return status["phase"] == "Refused" and status["candidate"]["runID"] == run

    status = rollout.wait(holds, seconds=90, what=f"RunRefused for {run}")
    ready = rollout.condition()
    assert (ready["status"], ready["reason"]) == ("False", "RunRefused")
    assert reason in ready["message"]
    routing = json.loads(rollout.kubectl("get", "cm", f"{rollout.name}-routing", "-o", "json"))
    assert json.loads(routing["data"]["routing.json"])["candidate"] is None
    return status


def test_a_missing_run_is_named_and_waited_for_while_the_rules_serve(rollout, registry):
    traffic = rollout.send(registry.traffic, rate=50)
    rollout.apply("run_00000000_1")
    rollout.wait(lambda _: "is not in the registry" in rollout.condition()["message"], seconds=90, what="absent run")
    ready = rollout.condition()
    assert ready["reason"] == "RunNotFound"
    assert "run_00000000_1" in ready["message"]
    rollout.wait(lambda _: traffic.sent > 0, what="answers by the rules")
    assert traffic.failed == 0


def test_a_run_with_another_digest_than_the_pinned_one_is_refused(rollout, registry):
    rollout.apply(registry.good, digest="sha256:" + "0" * 64)
    refused(rollout, registry.good, "digest")


def test_the_stable_run_keeps_serving_when_a_candidate_is_damaged_or_below_its_gate(damaged, own_registry):
    damaged.send(own_registry.traffic)
    damaged.apply(own_registry.good)
    damaged.wait_for_phase("Promoted", seconds=120)
    model = own_registry.path / "ledger_suggestions" / own_registry.outdated / "model.txt"
    model.write_bytes(model.read_bytes().replace(b"0", b"1", 1))
    for run, reason in ((own_registry.outdated, "model.txt"), (own_registry.poor, "acceptance gate")):
        damaged.apply(run)
        assert refused(damaged, run, reason)["stable"]["runID"] == own_registry.good
        damaged.keeps_serving_by_the_model()


def test_an_unavailable_registry_refuses_nothing_and_is_read_once_it_is_back(damaged, own_registry):
    away = own_registry.path.rename(own_registry.path.with_name("away"))
    damaged.apply(own_registry.good)
    damaged.wait(lambda status: (status.get("candidate") or {}).get("state") == "Loading", what="Loading")
    time.sleep(8)
    assert damaged.status["candidate"]["state"] == "Loading"
    assert damaged.addresses() == []
    away.rename(own_registry.path)
    damaged.wait_for_stage(0, seconds=60)


def test_a_missing_secret_is_reported_and_the_rollout_begins_once_it_exists(rollout, registry):
    token = json.loads(rollout.kubectl("get", "secret", "tokens", "-o", "json"))["data"]
    rollout.kubectl("delete", "secret", "tokens")
    rollout.apply(registry.good)
    rollout.wait(lambda _: rollout.condition()["reason"] == "PodsUnavailable", seconds=100, what="PodsUnavailable")
    assert rollout.status["candidate"]["percent"] == 0
    meta = {"namespace": rollout.namespace, "name": "tokens"}
    rollout.installed.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": token})
    rollout.wait_for_stage(0)


def test_without_prometheus_a_stage_holds_reports_it_and_goes_on_once_it_is_back(rollout, registry, local):
    rollout.send(registry.traffic)
    rollout.apply(registry.good, canary=canary("5s", 10, 100))
    for percent in (0, 10):
        rollout.wait_for_stage(percent, seconds=90)
        local.stop_prometheus()
        try:
            rollout.wait(lambda _: rollout.condition()["reason"] == "MetricsUnavailable", what="MetricsUnavailable")
            # Longer than the soak: it is the evidence that is waited for.
            time.sleep(6)
            assert rollout.status["candidate"]["percent"] == percent
            assert rollout.condition("Reconciling")["status"] == "True"
        finally:
            local.start_prometheus()
    rollout.wait_for_phase("Promoted", seconds=120)
    rollout.wait_for_events("MetricsUnavailable")


def test_an_operator_killed_in_mid_stage_goes_on_without_an_early_step(rollout, registry, kill_operator):
    rollout.send(registry.traffic)
    rollout.apply(registry.good, canary=canary("8s", 10, 100))
    for percent in (0, 10):
        rollout.wait_for_stage(percent, seconds=90)
        kill_operator()
    history = rollout.wait_for_phase("Promoted", seconds=120)["history"]
    every_stage_began_once(history, percents=[0, 10, 100], soak=8)


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
    rollout.wait_for_events("RoutingReverted")


def test_a_deployment_edited_by_hand_and_a_deleted_service_are_put_back(rollout, registry):
    rollout.apply(registry.good)
    rollout.wait_for_stage(0)
    rollout.kubectl("scale", "deployment", rollout.name, "--replicas=5")
    rollout.kubectl("delete", "service", rollout.name)

    def are_back(_status):
        replicas = rollout.kubectl("get", "deployment", rollout.name, "-o", "jsonpath={.spec.replicas}")
        service = rollout.kubectl("get", "service", rollout.name, "--ignore-not-found", "-o", "name")
        return replicas == "2" and service

    rollout.wait(are_back, seconds=20, what="both restored")


def test_a_candidate_whose_containers_crash_is_rolled_back_without_prometheus(rollout, registry, local):
    local.stop_prometheus()
    try:
        rollout.apply(registry.good)
        rollout.wait_for_stage(0)
        for _ in range(40):
            for pod in rollout.pods():
                for pid in local.pod_process_ids(rollout.namespace, pod["metadata"]["name"]):
                    os.kill(pid, signal.SIGSEGV)
            if rollout.status["phase"] == "RolledBack":
                break
            time.sleep(0.5)
        status = rollout.wait_for_phase("RolledBack", seconds=90)
    finally:
        local.start_prometheus()
    assert status["history"][-1]["event"] == "CandidateCrashed"
    assert registry.good not in [run["runID"] for run in status.get("podRuns", [])]


def test_a_hanging_process_is_restarted_by_its_liveness_probe(rollout, registry, local):
    """A stopped process accepts connections but never responds, as with a model that never returns."""
    rollout.apply(registry.good)
    rollout.wait_for_stage(0)
    name = rollout.pods()[0]["metadata"]["name"]
    for pid in local.pod_process_ids(rollout.namespace, name):
        os.kill(pid, signal.SIGSTOP)

    def is_there_again(_status):
        pod = next(one for one in rollout.pods() if one["metadata"]["name"] == name)
        [container] = pod["status"]["containerStatuses"]
        return container["restartCount"] == 1 and container["ready"]

    rollout.wait(is_there_again, seconds=120, what="the restarted process")
    assert "Liveness probe failed" in rollout.kubectl("get", "events")
    status = rollout.status
    assert (status["candidate"]["runID"], status["candidate"]["state"]) == (registry.good, "Running")
