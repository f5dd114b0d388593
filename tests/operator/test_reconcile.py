"""One reconcile against a Kubernetes that lives in memory: the order of effects, and where a pass ends."""

import asyncio
import copy
import json
import re

import pytest
import virtual_time
from memory_cluster import (
    KEY,
    NOW,
    SPEC,
    MemoryCluster,
    SilentPods,
    condition,
    posted_events,
    ready_reason,
    reconcile_once,
    reconciler,
)

from serin_core.api.packing import expanded, packed
from serin_core.contract import names
from serin_core.contract.documents import hash_of
from serin_operator.interfaces import ConflictError, RefusedError
from serin_operator.metrics import OperatorMetrics
from serin_operator.reconcile import Key


def test_status_is_written_before_any_child():
    cluster = MemoryCluster()
    reconcile_once(cluster)
    kinds = [what for what, _ in cluster.writes]
    assert kinds[0] == "status"
    assert kinds[1] == "create ConfigMap"
    assert kinds[-1] == "create Event"


def test_an_unchanged_object_is_not_written():
    cluster = MemoryCluster()
    for _ in range(4):
        reconcile_once(cluster)
    result = reconcile_once(cluster)
    assert cluster.writes == []
    assert result.outcome == "unchanged"
    assert result.requeue_after.total_seconds() > 0


def test_a_conflict_ends_the_pass_and_asks_for_another():
    cluster = MemoryCluster()
    cluster.fail["status", "categories"] = ConflictError("it has changed")
    result = reconcile_once(cluster)
    assert [what for what, _ in cluster.writes] == ["status"]
    assert (result.outcome, result.is_settled) == ("conflict", False)


def test_a_child_that_appeared_in_between_is_not_overwritten():
    cluster = MemoryCluster()
    cluster.fail["create ConfigMap", "categories-routing"] = ConflictError("it is there")
    reconcile_once(cluster)
    assert [what for what, _ in cluster.writes] == ["status", "create ConfigMap", "create Event"]


def test_an_event_that_cannot_be_posted_stops_nothing():
    cluster = MemoryCluster()
    cluster.fail["create Event", "any"] = RefusedError("no")
    assert reconcile_once(cluster).outcome == "changed"
    assert not [key for key in cluster.objects if key[0] == "Event"]


def test_an_object_that_is_gone_is_forgotten():
    cluster = MemoryCluster()
    cluster.objects.clear()
    result = reconcile_once(cluster)
    assert (result.outcome, result.requeue_after) == ("gone", None)


@pytest.mark.parametrize(
    ("finalizers", "end"),
    [
        (None, "Its pods and its Service are deleted with it, and requests fail"),
        (["foregroundDeletion"], "Its pods and its Service are deleted with it, and requests fail"),
        (["orphan"], "Its pods are kept and go on; nothing watches them any more"),
    ],
    ids=["background", "foreground", "orphan"],
)
def test_a_deletion_is_an_event_posted_once(finalizers, end):
    cluster = MemoryCluster()
    operator = reconciler(cluster)
    asyncio.run(operator.reconcile(KEY))
    live = cluster.objects[names.KIND, "default", "categories"]
    if finalizers:
        live["metadata"] |= {"deletionTimestamp": "now", "finalizers": finalizers}
        asyncio.run(operator.reconcile(KEY))
    del cluster.objects[names.KIND, "default", "categories"]
    cluster.writes.clear()
    for _ in range(2):
        asyncio.run(operator.reconcile(KEY))
    assert posted_events(cluster)["Deleted"] == (
        f"The SuggestionModel was deleted. The rules serve all users; the rollout of run_aaaaaaaa_1 ends. {end}"
    )
    assert len([key for key, one in cluster.objects.items() if one.get("reason") == "Deleted"]) == 1


def test_an_object_that_is_being_deleted_gets_no_more_children():
    cluster = MemoryCluster()
    cluster.objects[names.KIND, "default", "categories"]["metadata"]["deletionTimestamp"] = "now"
    assert reconcile_once(cluster).outcome == "deleting"
    assert cluster.writes == []


def test_a_service_of_another_owner_is_not_changed_and_becomes_a_condition():
    cluster = MemoryCluster()
    theirs = {"kind": "Service", "metadata": {"namespace": "default", "name": "categories"}, "spec": {"theirs": True}}
    cluster.put(theirs)
    reconcile_once(cluster)
    assert ("apply Service", "categories") not in cluster.writes
    conditions = cluster.objects[names.KIND, "default", "categories"]["status"]["conditions"]
    assert next(one["reason"] for one in conditions if one["type"] == "Ready") == "ChildConflict"


def test_an_empty_map_is_left_out_of_status():
    cluster = MemoryCluster()
    reconcile_once(cluster)

    def maps(found):
        return [found, *(one for value in found.values() if isinstance(value, dict) for one in maps(value))]

    status = cluster.objects[names.KIND, "default", "categories"]["status"]
    assert {} not in maps(status)
    assert "memory" not in status


def test_nothing_but_status_is_ever_written_on_the_users_object():
    cluster = MemoryCluster()
    for _ in range(5):
        reconcile_once(cluster)
    live = cluster.objects[names.KIND, "default", "categories"]
    assert live["spec"] == SPEC
    assert set(live["metadata"]) == {"namespace", "name", "uid", "generation", "resourceVersion"}


def model_of(cluster):
    return next(one for key, one in cluster.objects.items() if key[0] == "ConfigMap" and "-model-" in key[2])


def test_removed_labels_of_a_model_config_map_are_restored():
    cluster = MemoryCluster()
    for _ in range(5):
        reconcile_once(cluster)
    labels = model_of(cluster)["metadata"].pop("labels")
    assert reconcile_once(cluster).outcome == "changed"
    assert model_of(cluster)["metadata"]["labels"] == labels


def test_a_model_config_map_of_another_owner_is_not_changed_and_becomes_a_condition():
    cluster = MemoryCluster()
    for _ in range(5):
        reconcile_once(cluster)
    theirs = model_of(cluster)
    theirs["metadata"] |= {"labels": {}, "ownerReferences": []}
    reconcile_once(cluster)
    assert reconcile_once(cluster).outcome == "unchanged"
    assert ready_reason(cluster) == "ChildConflict"


@pytest.mark.parametrize("data", [None, {}, {"routing.json": "{"}])
def test_a_routing_that_was_replaced_without_its_owner_is_adopted_also_without_a_document(data):
    cluster = MemoryCluster()
    for _ in range(5):
        reconcile_once(cluster)
    routing = cluster.objects["ConfigMap", "default", "categories-routing"]
    owners, text = routing["metadata"].pop("ownerReferences"), routing["data"]
    routing["data"] = data
    assert reconcile_once(cluster).outcome == "changed"
    adopted = cluster.objects["ConfigMap", "default", "categories-routing"]
    assert adopted["metadata"]["ownerReferences"] == owners
    assert set(adopted["data"]) == set(text)
    assert "RoutingReverted" in posted_events(cluster)


def test_a_transition_has_its_event_although_a_later_write_of_the_pass_conflicts():
    cluster = MemoryCluster()
    cluster.fail["create ConfigMap", "categories-routing"] = ConflictError("it is there")
    assert reconcile_once(cluster).outcome == "conflict"
    assert "RolloutStarted" in posted_events(cluster)


def test_there_is_no_event_of_what_is_not_in_status():
    cluster = MemoryCluster()
    cluster.fail["status", "categories"] = ConflictError("it has changed")
    reconcile_once(cluster)
    assert posted_events(cluster) == {}


ROLE = "eks.amazonaws.com/role-arn"


def annotate_service_account(cluster, annotations):
    live = cluster.objects[names.KIND, "default", "categories"]
    live["spec"]["server"]["pod"] = {"serviceAccountAnnotations": annotations}
    cluster.put(live)


def service_account(cluster):
    return cluster.objects["ServiceAccount", "default", "categories"]["metadata"]["annotations"]


def test_an_annotation_of_the_service_account_that_is_not_allowed_is_not_written_and_starts_no_pod():
    cluster = MemoryCluster()
    annotate_service_account(cluster, {ROLE: "admin"})
    for _ in range(3):
        reconcile_once(cluster)
    status, reason, message = condition(cluster, "Ready")
    assert (status, reason) == ("False", "AnnotationRefused")
    assert message.startswith(f"spec.server.pod.serviceAccountAnnotations {ROLE}=admin is not allowed")
    assert condition(cluster, "Stalled")[0] == "True"
    assert list(posted_events(cluster)).count("AnnotationRefused") == 1
    assert not {"ServiceAccount", "Deployment"} & {kind for kind, _, _ in cluster.objects}
    reconcile_once(cluster)
    assert cluster.writes == []


def test_an_annotation_that_was_removed_is_removed_from_the_service_account_once():
    cluster = MemoryCluster()
    annotate_service_account(cluster, {ROLE: "mine"})
    one = reconciler(cluster, allowed_service_account_annotations=(f"{ROLE}=mi",))
    for _ in range(3):
        asyncio.run(one.reconcile(KEY))
    template = cluster.objects["Deployment", "default", "categories"]["spec"]["template"]
    assert service_account(cluster)[ROLE] == "mine"
    annotate_service_account(cluster, {})
    asyncio.run(one.reconcile(KEY))
    assert ("apply ServiceAccount", "categories") in cluster.writes
    assert ROLE not in service_account(cluster)
    assert cluster.objects["Deployment", "default", "categories"]["spec"]["template"] != template
    for _ in range(3):
        asyncio.run(one.reconcile(KEY))
    assert cluster.writes.count(("apply ServiceAccount", "categories")) == 1


def test_a_name_that_no_service_may_have_gives_a_service_of_another_name():
    cluster = MemoryCluster()
    live = cluster.objects.pop((names.KIND, "default", "categories"))
    live["metadata"]["name"] = "2026.categories"
    cluster.put(live)
    one = reconciler(cluster)
    for _ in range(4):
        asyncio.run(one.reconcile(Key("default", "2026.categories")))
    (service,) = [name for kind, _, name in cluster.objects if kind == "Service"]
    assert re.fullmatch("m-2026-categories-[0-9a-f]{6}", service)
    assert ("Deployment", "default", "2026.categories") in cluster.objects
    cluster.writes.clear()
    asyncio.run(one.reconcile(Key("default", "2026.categories")))
    assert cluster.writes == []


def test_an_invalid_spec_becomes_a_condition_and_changes_nothing_else():
    cluster = MemoryCluster()
    for _ in range(5):
        reconcile_once(cluster)
    live = cluster.objects[names.KIND, "default", "categories"]
    before = live["status"]
    live["spec"]["runID"] = "nonsense"
    result = reconcile_once(cluster)
    assert cluster.writes == [("status", "categories"), ("create Event", cluster.writes[1][1])]
    assert (result.outcome, result.requeue_after.total_seconds()) == ("invalid", 600)
    status, reason, message = condition(cluster, "Ready")
    assert (status, reason) == ("False", "InvalidSpec")
    assert message.startswith("spec.runID")
    assert condition(cluster, "Stalled")[:2] == ("True", "InvalidSpec")
    assert posted_events(cluster)["InvalidSpec"] == message
    after = cluster.objects[names.KIND, "default", "categories"]["status"]
    changed = {key for key in before | after if before.get(key) != after.get(key)}
    assert changed == {"conditions", "observedGeneration"}
    reconcile_once(cluster)
    assert cluster.writes == []
    live = cluster.objects[names.KIND, "default", "categories"]
    live["spec"]["runID"] = SPEC["runID"]
    reconcile_once(cluster)
    assert condition(cluster, "Stalled")[0] == "False"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"operatorState": packed({"candidate": {"state": "Pondering"}})}, "status.candidate"),
        ({"operatorState": packed({"stable": "run_aaaaaaaa_1"})}, "status.stable"),
        ({"operatorState": packed({"version": 2})}, "status.operatorState has format version 2"),
        ({"operatorState": "eJw="}, "status.operatorState cannot be read"),
        ({"operatorState": None}, "status.operatorState cannot be read"),
        ({"conditions": "fine"}, "status.conditions"),
    ],
)
def test_a_status_that_cannot_be_read_becomes_a_condition_and_an_event_and_nothing_is_decided(change, where):
    cluster = MemoryCluster()
    for _ in range(5):
        reconcile_once(cluster)
    live = cluster.objects[names.KIND, "default", "categories"]
    readable = copy.deepcopy(live["status"])
    live["status"] |= change
    before = copy.deepcopy(live["status"])
    result = reconcile_once(cluster)
    assert cluster.writes == [("status", "categories"), ("create Event", cluster.writes[1][1])]
    assert (result.outcome, result.is_settled, result.requeue_after.total_seconds()) == ("invalid", True, 60)
    status, reason, message = condition(cluster, "Ready")
    assert (status, reason) == ("False", "InvalidStatus")
    assert message.startswith(where)
    assert condition(cluster, "Stalled")[:2] == ("True", "InvalidStatus")
    assert posted_events(cluster)["InvalidStatus"] == message
    after = cluster.objects[names.KIND, "default", "categories"]["status"]
    assert {key for key in before | after if before.get(key) != after.get(key)} == {"conditions"}
    if where != "status.conditions":
        assert condition(cluster, "Available") == next(
            (one["status"], one["reason"], one["message"]) for one in before["conditions"] if one["type"] == "Available"
        )
        reconcile_once(cluster)
        assert cluster.writes == []
    cluster.objects[names.KIND, "default", "categories"]["status"] = readable
    reconcile_once(cluster)
    assert condition(cluster, "Ready")[1] != "InvalidStatus"


def _with_newer_routing(cluster, **changes):
    """Replace the routing of a cluster by one of a newer version, and return its text."""
    live = cluster.objects["ConfigMap", "default", "categories-routing"]
    text = json.dumps(json.loads(live["data"]["routing.json"]) | {"version": 2} | changes)
    cluster.put(live | {"data": {"routing.json": text}})
    return text


def test_a_routing_of_a_newer_version_that_status_has_decided_stays_as_it_is():
    cluster = MemoryCluster()
    for _ in range(5):
        reconcile_once(cluster)
    text = _with_newer_routing(cluster, colour="red")
    live = cluster.objects[names.KIND, "default", "categories"]
    state = expanded(live["status"])
    state["propagation"]["hash"] = hash_of(text)
    live["status"]["operatorState"] = packed(state)
    assert reconcile_once(cluster).outcome == "invalid"
    assert cluster.writes == [("status", "categories"), ("create Event", cluster.writes[1][1])]
    _, reason, message = condition(cluster, "Ready")
    assert reason == "InvalidStatus"
    assert message == (
        "the routing document has format version 2, which a newer version of Serin wrote; this one reads version 1 and "
        "changes nothing: run that version here, too. The pods go on serving what they serve."
    )
    assert cluster.objects["ConfigMap", "default", "categories-routing"]["data"]["routing.json"] == text
    reconcile_once(cluster)
    assert cluster.writes == []


def test_a_routing_of_a_newer_version_that_status_has_not_decided_is_a_foreign_edit():
    cluster = MemoryCluster()
    for _ in range(5):
        reconcile_once(cluster)
    before = json.loads(cluster.objects["ConfigMap", "default", "categories-routing"]["data"]["routing.json"])
    _with_newer_routing(cluster)
    reconcile_once(cluster)
    reconcile_once(cluster)
    after = cluster.objects["ConfigMap", "default", "categories-routing"]["data"]["routing.json"]
    assert json.loads(after) == before | {"revision": before["revision"] + 1, "stage": before["stage"] + 1}


def test_conditions_of_an_unreadable_status_that_the_api_server_refuses_still_become_an_event():
    cluster = MemoryCluster()
    reconcile_once(cluster)
    cluster.objects[names.KIND, "default", "categories"]["status"]["operatorState"] = "7"
    cluster.fail["status", "any"] = RefusedError("stable must be an object")
    result = reconcile_once(cluster)
    assert (result.outcome, result.is_settled) == ("invalid", True)
    assert posted_events(cluster)["InvalidStatus"].startswith("status.operatorState")


def test_a_new_object_with_an_invalid_spec_ignores_the_requests_it_came_with():
    cluster = MemoryCluster()
    live = cluster.objects[names.KIND, "default", "categories"]
    live["metadata"]["annotations"] = {"request.serin.dev/promote-full": "run_aaaaaaaa_1 old"}
    live["spec"]["runID"] = "nonsense"
    reconcile_once(cluster)
    handled = cluster.objects[names.KIND, "default", "categories"]["status"]["handledRequests"]
    assert [one["answer"] for one in handled] == ["Ignored: new object, ask again"]


def test_transitions_are_counted_by_their_event():
    cluster, metrics = MemoryCluster(), OperatorMetrics(lambda: 0)
    for _ in range(3):
        asyncio.run(reconciler(cluster, metrics).reconcile(KEY))

    def count(event):
        return metrics.registry.get_sample_value("serin_operator_transitions_total", {"event": event})

    assert (count("RolloutStarted"), count("PodsLoading"), count("Promoted")) == (1, 1, 0)


def test_the_event_of_a_reverted_change_names_who_made_it():
    cluster = MemoryCluster()
    for _ in range(5):
        reconcile_once(cluster)
    service = cluster.objects["Service", "default", "categories"]
    service["spec"]["selector"]["nobody"] = "matches"
    fields = {"f:spec": {"f:selector": {}}}
    service["metadata"]["managedFields"] = [{"manager": "kubectl-edit", "fieldsV1": fields}]
    reconcile_once(cluster)
    assert "nobody" not in cluster.objects["Service", "default", "categories"]["spec"]["selector"]
    assert posted_events(cluster)["ChildReverted"] == "Reverted a change of Service categories by kubectl-edit"


def waiting_pod(number, cluster):
    owner = next(one for one in cluster.objects.values() if one["kind"] == "Deployment")
    metadata = {"namespace": "default", "name": f"pod-{number}", "uid": f"uid-{number}", "annotations": {}}
    container = {"name": "server", "state": {"waiting": {"reason": "ContainerCreating"}}}
    return {
        "kind": "Pod",
        "metadata": metadata | {"labels": owner["spec"]["template"]["metadata"]["labels"]},
        "spec": {"nodeName": "node-1"},
        "status": {"phase": "Pending", "containerStatuses": [container]},
    }


def test_what_pods_wait_for_is_named_from_the_events_of_a_few_of_them():
    cluster, asked = MemoryCluster(), []
    for _ in range(5):
        reconcile_once(cluster)
    for number in range(5):
        cluster.put(waiting_pod(number, cluster))
    message = 'MountVolume.SetUp failed for volume "tokens" : secret "tokens" not found'

    async def warnings(_namespace, uid):
        asked.append(uid)
        return [{"metadata": {"creationTimestamp": NOW.isoformat()}, "message": message}]

    cluster.list_events = warnings
    reconcile_once(cluster)
    assert asked == ["uid-0", "uid-1", "uid-2"]
    status, reason, found = condition(cluster, "Ready")
    assert (status, reason) == ("Unknown", "PodsUnavailable")
    assert found == f"On hold: a pod does not start: {message}; create the Secret, or correct its name in spec"
    assert posted_events(cluster)["PodsUnavailable"] == f"run_aaaaaaaa_1: {found}"


def _with_a_pod(cluster):
    labels = {names.LABEL_MODEL: "categories", names.LABEL_UID: "uid-1"}
    metadata = {"namespace": "default", "name": "pod-1", "uid": "pod-1", "labels": labels, "annotations": {}}
    cluster.put({"kind": "Pod", "metadata": metadata, "spec": {}, "status": {"podIP": "10.0.0.1", "phase": "Running"}})
    return cluster


def test_pods_are_told_whose_operator_asks():
    pods = SilentPods()
    reconcile_once(_with_a_pod(MemoryCluster()), pods=pods)
    assert pods.asked == [("10.0.0.1", "uid-1")]


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_pod_of_a_deleted_resource_is_asked_no_longer(is_gone):
    class FrozenPods:
        open = 0

        async def fetch_report(self, question):
            self.open += 1
            try:
                await asyncio.sleep(3600)
            finally:
                self.open -= 1

    async def scenario():
        cluster, pods = _with_a_pod(MemoryCluster()), FrozenPods()
        operator = reconciler(cluster, pods=pods)
        for _ in range(2):
            await operator.reconcile(KEY)
        assert pods.open == 1
        if is_gone:
            del cluster.objects[names.KIND, "default", "categories"]
        else:
            cluster.objects[names.KIND, "default", "categories"]["metadata"]["deletionTimestamp"] = "now"
        await operator.reconcile(KEY)
        await asyncio.sleep(0)
        assert pods.open == 0

    virtual_time.run(scenario())


def test_pods_of_a_resource_that_nothing_is_decided_for_are_not_told_that_it_is_watched():
    cluster, pods = _with_a_pod(MemoryCluster()), SilentPods()
    cluster.objects[names.KIND, "default", "categories"]["spec"]["canary"] = {"supervisionTimeout": "5s"}
    reconcile_once(cluster, pods=pods)
    assert ready_reason(cluster) == "InvalidSpec"
    assert pods.asked == []
