"""One reconcile against a Kubernetes that lives in memory: the order of effects, and where a pass ends."""

import asyncio
import copy
import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from serin_core.api.packing import packed
from serin_core.contract import names
from serin_core.counting.reading import Unreadable
from serin_core.rollout.decide import Announcement
from serin_core.rollout.observation import NoAnswer
from serin_operator.apply import Applier, ObjectRef
from serin_operator.gather import Gatherer
from serin_operator.interfaces import BusyError, ConflictError, NotFoundError, RefusedError
from serin_operator.metrics import OperatorMetrics
from serin_operator.reconcile import Key, Reconciler
from serin_operator.settings import Monitoring, ServerDefaults

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Key("default", "categories")
NEVER = Monitoring(pod_monitor="Never")
SPEC = {"runID": "run_aaaaaaaa_1", "server": {"token": {"secretName": "t"}}}


class MemoryCluster:
    """Implements interfaces.Kubernetes over a dictionary, and remembers every write."""

    def __init__(self):
        self.objects, self.version, self.writes, self.fail = {}, 0, [], {}
        self.admit = lambda rendered: rendered
        self.served, self.forbidden = set(), set()
        self.put(
            {
                "kind": names.KIND,
                "metadata": {"namespace": "default", "name": "categories", "uid": "uid-1", "generation": 1},
                "spec": copy.deepcopy(SPEC),
            }
        )

    def put(self, found):
        self.version += 1
        stored = copy.deepcopy(found)
        stored["metadata"] |= {"resourceVersion": str(self.version)}
        self.objects[stored["kind"], stored["metadata"]["namespace"], stored["metadata"]["name"]] = stored

    def _write(self, what, name):
        self.writes.append((what, name))
        error = self.fail.pop((what, name), None) or self.fail.get((what, "any"))
        if error:
            raise error

    def _at(self, kind, namespace, name, version):
        live = self.objects.get((kind, namespace, name))
        if live is None:
            raise NotFoundError(name)
        if version is not None and live["metadata"]["resourceVersion"] != version:
            raise ConflictError(name)
        return live

    async def get(self, kind, namespace, name):
        if kind in self.forbidden:
            raise RefusedError(f"GET {kind}: forbidden")
        return copy.deepcopy(self._at(kind, namespace, name, None))

    async def list(self, kind, namespace, labels):
        return [
            copy.deepcopy(one)
            for (found, where, _), one in self.objects.items()
            if (found, where) == (kind, namespace) and labels.items() <= one["metadata"].get("labels", {}).items()
        ]

    async def serves(self, api_version, plural):
        return (api_version, plural) in self.served

    async def create(self, rendered):
        metadata = rendered["metadata"]
        self._write(f"create {rendered['kind']}", metadata["name"])
        if (rendered["kind"], metadata["namespace"], metadata["name"]) in self.objects:
            raise ConflictError(metadata["name"])
        self.put(self.admit(copy.deepcopy(rendered)))

    async def post_event(self, rendered):
        await self.create(rendered)

    async def list_warnings(self, namespace, uid):
        return []

    async def apply(self, rendered, resource_version):
        metadata = rendered["metadata"]
        self._write(f"apply {rendered['kind']}", metadata["name"])
        self._at(rendered["kind"], metadata["namespace"], metadata["name"], resource_version)
        admitted = self.admit(copy.deepcopy(rendered))
        self.put(admitted)
        return copy.deepcopy(admitted)

    async def put_status(self, namespace, name, status, resource_version):
        self._write("status", name)
        live = self._at(names.KIND, namespace, name, resource_version)
        self.put(live | {"status": status})

    async def annotate_pod(self, namespace, name, *, uid, expected, annotations):
        self._write("annotate", name)
        live = self._at("Pod", namespace, name, None)
        live["metadata"]["annotations"] |= annotations

    async def delete(self, kind, namespace, name, *, resource_version, uid):
        self._write(f"delete {kind}", name)
        self._at(kind, namespace, name, resource_version)
        del self.objects[kind, namespace, name]

    async def evict(self, namespace, name):
        self._write("evict", name)
        raise BusyError("budget")


class SilentPrometheus:
    async def read(self, endpoint, query):
        return Unreadable("Unreachable", "down")

    async def read_samples(self, endpoint, query, at):
        return Unreadable("Unreachable", "down")


class SilentPods:
    async def fetch_report(self, address, port, *, scheme):
        return NoAnswer("silent")


def reconciler(cluster, metrics=None, clock=lambda: NOW, monitoring=NEVER, **server):
    gatherer = Gatherer(
        cluster=cluster,
        prometheus=SilentPrometheus(),
        pods=SilentPods(),
        server=ServerDefaults(image="server:1", **server),
        monitoring=monitoring,
    )
    return Reconciler(
        cluster=cluster,
        gatherer=gatherer,
        applier=Applier(cluster),
        metrics=metrics or OperatorMetrics(lambda: 0),
        clock=clock,
    )


def reconcile_once(cluster, **parts):
    cluster.writes.clear()
    return asyncio.run(reconciler(cluster, **parts).reconcile(KEY))


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


def test_events_of_one_second_are_listed_in_the_order_in_which_they_happened_and_are_posted_once():
    """`kubectl describe` sorts by the second; within one, Events keep the order of their names."""
    cluster = MemoryCluster()
    reasons = [f"Reason{number}" for number in range(12)]
    for _ in range(2):
        for revision in (9, 10):
            ref = ObjectRef("default", "categories", "uid", "1", revision)
            asyncio.run(Applier(cluster).post_events(ref, [Announcement(one, "text") for one in reasons], NOW))
    posted = sorted(name for kind, _, name in cluster.objects if kind == "Event")
    assert [cluster.objects["Event", "default", name]["reason"] for name in posted] == reasons * 2


def test_an_object_that_is_gone_is_forgotten():
    cluster = MemoryCluster()
    cluster.objects.clear()
    result = reconcile_once(cluster)
    assert (result.outcome, result.requeue_after) == ("gone", None)


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


def ready_reason(cluster):
    conditions = cluster.objects[names.KIND, "default", "categories"]["status"]["conditions"]
    return next(one["reason"] for one in conditions if one["type"] == "Ready")


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


def posted_events(cluster):
    return {one["reason"]: one["message"] for key, one in cluster.objects.items() if key[0] == "Event"}


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
    assert posted_events(cluster)["ChildRefused"] == "The API server refused: policy: no budgets here"
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


def test_what_admission_changes_is_applied_once_named_once_and_left_alone_until_the_spec_changes():
    cluster = MemoryCluster()
    one, applies = reconciler(cluster), ("apply Deployment", "categories")
    cluster.admit = mirrored
    for _ in range(10):
        result = asyncio.run(one.reconcile(KEY))
    assert cluster.writes.count(applies) == 1
    assert result.outcome == "unchanged"
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
    cluster = MemoryCluster()
    one = reconciler(cluster)
    cluster.admit = mirrored
    for _ in range(10):
        asyncio.run(one.reconcile(KEY))
    deployment = cluster.objects["Deployment", "default", "categories"]
    deployment["spec"]["replicas"] = 7
    cluster.writes.clear()
    for _ in range(5):
        asyncio.run(one.reconcile(KEY))
    assert cluster.writes.count(("apply Deployment", "categories")) == 1
    assert cluster.objects["Deployment", "default", "categories"]["spec"]["replicas"] == 2


def test_the_condition_ends_once_the_object_is_as_it_was_rendered():
    cluster = MemoryCluster()
    one = reconciler(cluster)
    cluster.admit = mirrored
    for _ in range(10):
        asyncio.run(one.reconcile(KEY))
    cluster.admit = lambda rendered: rendered
    container = cluster.objects["Deployment", "default", "categories"]["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "server:1"
    results = [asyncio.run(one.reconcile(KEY)) for _ in range(3)]
    assert results[0].requeue_after.total_seconds() == 0
    conditions = cluster.objects[names.KIND, "default", "categories"]["status"]["conditions"]
    assert "ChildOverridden" not in [one["type"] for one in conditions]


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


def condition(cluster, kind):
    conditions = cluster.objects[names.KIND, "default", "categories"]["status"]["conditions"]
    return next((one["status"], one["reason"], one["message"]) for one in conditions if one["type"] == kind)


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
    assert {key for key in before | after if before.get(key) != after.get(key)} == {"conditions"}
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


AUTO = Monitoring(labels={"release": "kps"}, interval="15s")
ALWAYS = Monitoring(pod_monitor="Always")
MONITOR = ("PodMonitor", "default", "categories")
MONITORING_API = ("monitoring.coreos.com/v1", "podmonitors")


def settle(cluster, monitoring):
    """Reconcile until nothing is written any more, and return the condition Ready."""
    for _ in range(6):
        reconcile_once(cluster, monitoring=monitoring)
    assert cluster.writes == []
    conditions = cluster.objects[names.KIND, "default", "categories"]["status"]["conditions"]
    return next(one for one in conditions if one["type"] == "Ready")


def test_a_pod_monitor_selects_the_pods_of_its_resource_and_is_owned_by_it():
    cluster = MemoryCluster()
    cluster.served.add(MONITORING_API)
    settle(cluster, AUTO)
    made = cluster.objects[MONITOR]
    template = cluster.objects["Deployment", "default", "categories"]["spec"]["template"]
    assert made["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    (endpoint,) = made["spec"]["podMetricsEndpoints"]
    (port,) = template["spec"]["containers"][0]["ports"]
    assert endpoint == {"port": port["name"], "path": "/metrics", "interval": "15s"}
    assert made["metadata"]["labels"]["release"] == "kps"
    assert made["metadata"]["labels"][names.LABEL_MODEL] == "categories"
    assert [owner["uid"] for owner in made["metadata"]["ownerReferences"]] == ["uid-1"]


def test_pods_with_a_certificate_are_scraped_over_https():
    cluster = MemoryCluster()
    cluster.served.add(MONITORING_API)
    live = cluster.objects[names.KIND, "default", "categories"]
    live["spec"]["server"]["tls"] = {"secretName": "certificate"}
    cluster.put(live)
    settle(cluster, AUTO)
    (endpoint,) = cluster.objects[MONITOR]["spec"]["podMetricsEndpoints"]
    assert (endpoint["scheme"], endpoint["tlsConfig"]) == ("https", {"insecureSkipVerify": True})


def test_a_pod_monitor_that_is_deleted_or_edited_is_restored():
    cluster = MemoryCluster()
    cluster.served.add(MONITORING_API)
    settle(cluster, AUTO)
    made = cluster.objects.pop(MONITOR)
    settle(cluster, AUTO)
    edited = copy.deepcopy(cluster.objects[MONITOR])
    edited["spec"]["podMetricsEndpoints"][0]["path"] = "/elsewhere"
    cluster.put(edited)
    settle(cluster, AUTO)
    assert cluster.objects[MONITOR]["spec"] == made["spec"]


def test_where_the_api_appears_later_the_pod_monitor_is_made_then():
    cluster = MemoryCluster()
    settle(cluster, AUTO)
    before = json.dumps([kind for kind, _, _ in cluster.objects if kind != "Event"])
    assert "PodMonitor" not in before
    cluster.served.add(MONITORING_API)
    settle(cluster, AUTO)
    assert MONITOR in cluster.objects


@pytest.mark.parametrize("is_forbidden", [False, True])
def test_without_the_prometheus_operator_nothing_is_different(is_forbidden):
    """Also where an older role does not allow to read PodMonitors."""
    plain, cluster = MemoryCluster(), MemoryCluster()
    if is_forbidden:
        cluster.forbidden.add("PodMonitor")
    assert settle(cluster, AUTO) == settle(plain, NEVER)
    assert cluster.objects == plain.objects


def test_never_makes_none_and_does_not_ask_for_any():
    cluster = MemoryCluster()
    cluster.served.add(MONITORING_API)
    cluster.forbidden.add("PodMonitor")
    ready = settle(cluster, NEVER)
    assert ready["reason"] != "ChildRefused"
    assert MONITOR not in cluster.objects


def test_a_pod_monitor_that_cannot_be_had_is_reported_and_holds_up_nothing():
    cluster = MemoryCluster()
    ready = settle(cluster, ALWAYS)
    assert ready["reason"] == "ChildRefused"
    assert "does not serve monitoring.coreos.com/v1; install the Prometheus Operator" in ready["message"]
    cluster.served.add(MONITORING_API)
    cluster.forbidden.add("PodMonitor")
    ready = settle(cluster, AUTO)
    assert "GET PodMonitor: forbidden; give the operator its current rights" in ready["message"]
    assert ("Deployment", "default", "categories") in cluster.objects
    cluster.forbidden.clear()
    assert settle(cluster, AUTO)["reason"] != "ChildRefused"


def test_a_pod_monitor_of_somebody_else_is_left_alone_and_is_a_conflict_only_where_one_must_be_made():
    cluster = MemoryCluster()
    cluster.served.add(MONITORING_API)
    foreign = {"kind": "PodMonitor", "metadata": {"namespace": "default", "name": "categories"}, "spec": {}}
    cluster.put(foreign)
    assert settle(cluster, AUTO)["reason"] not in ("ChildConflict", "ChildRefused")
    ready = settle(cluster, ALWAYS)
    assert ready["reason"] == "ChildConflict"
    assert "PodMonitor categories exists already" in ready["message"]
    assert cluster.objects[MONITOR]["spec"] == {}


def waiting_pod(number, cluster):
    owner = next(one for one in cluster.objects.values() if one["kind"] == "Deployment")
    metadata = {"namespace": "default", "name": f"pod-{number}", "uid": f"uid-{number}", "annotations": {}}
    container = {"state": {"waiting": {"reason": "ContainerCreating"}}}
    return {
        "kind": "Pod",
        "metadata": metadata | {"labels": owner["spec"]["template"]["metadata"]["labels"]},
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

    cluster.list_warnings = warnings
    reconcile_once(cluster)
    assert asked == ["uid-0", "uid-1", "uid-2"]
    status, reason, found = condition(cluster, "Ready")
    assert (status, reason) == ("Unknown", "PodsUnavailable")
    assert found == f"On hold: a pod does not start: {message}; create the Secret, or correct its name in spec"
    assert posted_events(cluster)["PodsUnavailable"] == found
