"""Writes that the API server refuses or that admission changes: retried with a pause, or not repeated."""

import asyncio
from datetime import timedelta
from itertools import pairwise

from memory_cluster import (
    KEY,
    NOW,
    MemoryCluster,
    condition,
    posted_events,
    ready_reason,
    reconcile_once,
    reconciler,
)

from serin_core.contract import names
from serin_operator.interfaces import ConflictError, RefusedError


def test_a_child_that_is_refused_holds_up_no_other_and_its_event_has_the_api_servers_message():
    cluster = MemoryCluster()
    cluster.fail["create PodDisruptionBudget", "any"] = RefusedError("policy: no budgets here")
    now = [NOW]
    one = reconciler(cluster, clock=lambda: now[0])
    for _ in range(5):
        result = asyncio.run(one.reconcile(KEY))
    assert ("Deployment", "default", "categories") in cluster.objects
    assert result.outcome == "refused"
    assert ready_reason(cluster) == "ChildRefused"
    assert posted_events(cluster)["ChildRefused"] == "run_aaaaaaaa_1: The API server refused: policy: no budgets here"
    del cluster.fail["create PodDisruptionBudget", "any"]
    now[0] += result.requeue_after
    assert asyncio.run(one.reconcile(KEY)).requeue_after.total_seconds() == 0
    asyncio.run(one.reconcile(KEY))
    assert ready_reason(cluster) != "ChildRefused"


def test_a_status_that_a_policy_refuses_becomes_one_event():
    cluster = MemoryCluster()
    cluster.fail["status", "any"] = RefusedError("PATCH status: ValidatingAdmissionPolicy 'p' denied request: no")
    for _ in range(3):
        result = reconcile_once(cluster)
    assert [what for what, _ in cluster.writes] == ["status", "status", "create Event"]
    assert (result.outcome, result.is_settled, result.requeue_after.total_seconds()) == ("invalid", False, 60)
    assert posted_events(cluster)["AccessRefused"].startswith("PATCH status: ValidatingAdmissionPolicy 'p' denied")


def test_objects_that_the_operator_may_not_read_become_a_condition_and_nothing_is_decided():
    cluster = MemoryCluster()
    for _ in range(5):
        reconcile_once(cluster)
    readable = cluster.list

    async def forbidden(kind, namespace, labels):
        if kind == "Pod":
            raise RefusedError('GET pods: User "serin" cannot list resource "pods"')
        return await readable(kind, namespace, labels)

    cluster.list = forbidden
    reconcile_once(cluster)
    status, reason, message = condition(cluster, "Ready")
    assert (status, reason) == ("False", "AccessRefused")
    assert message.endswith('cannot list resource "pods"; give the operator this right, as in manifests/base/rbac.yaml')
    assert posted_events(cluster)["AccessRefused"] == message
    reconcile_once(cluster)
    assert cluster.writes == []
    cluster.list = readable
    reconcile_once(cluster)
    assert condition(cluster, "Ready")[1] != "AccessRefused"


def attempts_at(cluster, write, *, hours):
    """Reconcile whenever the operator asks for it, and return the times of all attempts at a write, in seconds."""
    now, found = [NOW], []
    one = reconciler(cluster, clock=lambda: now[0])
    while now[0] - NOW < timedelta(hours=hours):
        cluster.writes.clear()
        result = asyncio.run(one.reconcile(KEY))
        found += [(now[0] - NOW).total_seconds() for written in cluster.writes if written == write]
        now[0] += max(result.requeue_after, timedelta(milliseconds=1))
    return found


def test_a_refused_write_is_tried_again_after_twice_the_time_up_to_a_minute():
    cluster = MemoryCluster()
    cluster.fail["create Deployment", "any"] = RefusedError("exceeded quota")
    found = attempts_at(cluster, ("create Deployment", "categories"), hours=1)
    pauses = [round(after - before) for before, after in pairwise(found)]
    assert pauses[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(pauses[7:]) == {60}


def test_a_refused_write_of_other_contents_is_tried_at_once():
    cluster, now = MemoryCluster(), [NOW]
    one = reconciler(cluster, clock=lambda: now[0])
    cluster.fail["create Deployment", "any"] = RefusedError("exceeded quota")
    for _ in range(5):
        asyncio.run(one.reconcile(KEY))
    cluster.writes.clear()
    asyncio.run(one.reconcile(KEY))
    assert ("create Deployment", "categories") not in cluster.writes
    live = cluster.objects[names.KIND, "default", "categories"]
    cluster.put(live | {"spec": live["spec"] | {"server": live["spec"]["server"] | {"replicas": 1}}})
    asyncio.run(one.reconcile(KEY))
    assert ("create Deployment", "categories") in cluster.writes


def mirrored(rendered):
    """Admit an object as a policy that replaces the registry of images does."""
    if rendered["kind"] == "Deployment":
        rendered["spec"]["template"]["spec"]["containers"][0]["image"] = "mirror/server:1"
    return rendered


def overridden():
    """Return a cluster that changes Deployments, and a reconciler that has found out."""
    cluster = MemoryCluster()
    cluster.admit = mirrored
    one = reconciler(cluster)
    for _ in range(10):
        result = asyncio.run(one.reconcile(KEY))
    assert result.outcome == "unchanged"
    return cluster, one


def test_what_admission_changes_is_applied_once_named_once_and_left_alone_until_the_spec_changes():
    (cluster, one), applies = overridden(), ("apply Deployment", "categories")
    assert cluster.writes.count(applies) == 1
    status, reason, message = condition(cluster, "ChildOverridden")
    assert (status, reason) == ("True", "ChangedByAdmission")
    field = "Deployment categories: spec.template.spec.containers[server].image (mirror/server:1 instead of server:1)"
    assert field in message
    assert posted_events(cluster)["ChildOverridden"] == message
    assert [what for what, _ in cluster.writes].count("create Event") == len(posted_events(cluster))
    assert "ChildReverted" not in posted_events(cluster)
    live = cluster.objects[names.KIND, "default", "categories"]
    cluster.put(live | {"spec": live["spec"] | {"server": live["spec"]["server"] | {"replicas": 1}}})
    for _ in range(5):
        asyncio.run(one.reconcile(KEY))
    assert cluster.writes.count(applies) == 2
    assert cluster.objects["Deployment", "default", "categories"]["spec"]["replicas"] == 1


def test_an_edit_beside_what_admission_changes_is_reverted():
    cluster, one = overridden()
    live = cluster.objects[names.KIND, "default", "categories"]
    cluster.put(live | {"spec": live["spec"] | {"server": live["spec"]["server"] | {"replicas": 2}}})
    for _ in range(5):
        asyncio.run(one.reconcile(KEY))
    deployment = cluster.objects["Deployment", "default", "categories"]
    deployment["spec"]["replicas"] = 7
    cluster.writes.clear()
    for _ in range(5):
        asyncio.run(one.reconcile(KEY))
    assert cluster.writes.count(("apply Deployment", "categories")) == 1
    assert cluster.objects["Deployment", "default", "categories"]["spec"]["replicas"] == 2


def test_the_condition_ends_once_the_object_is_as_it_was_rendered():
    cluster, one = overridden()
    cluster.admit = lambda rendered: rendered
    container = cluster.objects["Deployment", "default", "categories"]["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "server:1"
    results = [asyncio.run(one.reconcile(KEY)) for _ in range(3)]
    assert results[0].requeue_after.total_seconds() == 0
    conditions = cluster.objects[names.KIND, "default", "categories"]["status"]["conditions"]
    assert "ChildOverridden" not in [one["type"] for one in conditions]


def test_what_admission_changes_is_applied_once_although_a_later_write_of_the_pass_conflicts():
    cluster, one = overridden()
    cluster.fail["delete ConfigMap", "any"] = ConflictError("changed in between")
    live = cluster.objects[names.KIND, "default", "categories"]
    cluster.put(live | {"spec": live["spec"] | {"runID": "run_bbbbbbbb_1"}})
    cluster.writes.clear()
    outcomes = [asyncio.run(one.reconcile(KEY)).outcome for _ in range(8)]
    assert outcomes[-1] == "conflict"
    assert cluster.writes.count(("apply Deployment", "categories")) == 1
