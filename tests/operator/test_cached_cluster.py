"""Passes that read from memory: how many requests they make, and that what is out of date is read again."""

import asyncio
import copy
import json

import pytest
from memory_cluster import KEY, NEVER, NOW, SPEC, MemoryCluster, reconciler

from serin_core.contract import names
from serin_core.contract.documents import RoutingDocument
from serin_core.contract.pod_report import LoadState, PodReport, RunOnPod
from serin_operator.cached_cluster import CachedCluster, DirectCluster
from serin_operator.interfaces import ConflictError, NotFoundError, RefusedError
from serin_operator.known_objects import MAX_TEXT, KnownObjects
from serin_operator.object_store import UnknownError
from serin_operator.settings import Monitoring
from serin_operator.watched_objects import CHILDREN, WatchedObjects

RULES = "classes: {Dining: [cafe]}"


class Counted(MemoryCluster):
    """Remembers reads as well."""

    def __init__(self):
        super().__init__()
        self.reads = []

    async def get(self, kind, namespace, name):
        self.reads.append(f"get {kind}")
        return await super().get(kind, namespace, name)

    async def list(self, kind, namespace, labels):
        self.reads.append(f"list {kind}")
        return await super().list(kind, namespace, labels)

    async def serves(self, api_version, plural):
        self.reads.append(f"serves {plural}")
        return await super().serves(api_version, plural)


class Pods:
    """Each pod serves the routing that is in the cluster, and has loaded the candidate."""

    def __init__(self, cluster):
        self.cluster = cluster

    async def fetch_report(self, question):
        routing = self.cluster.objects["ConfigMap", "default", "categories-routing"]["data"][names.ROUTING_KEY]
        document = RoutingDocument.parse(routing)
        run = RunOnPod(run="run_aaaaaaaa_1", state=LoadState.LOADING)
        return PodReport(uid=question.uid, process="p", revision=document.revision, hash=document.hash(), runs=(run,))


class Operator:
    """A reconciler with caches. `watch` delivers all events that are due, of some kinds only if they are named."""

    def __init__(self, **settings):
        self.cluster, self.now = Counted(), 0.0
        self.known = KnownObjects(WatchedObjects(None), clock=lambda: self.now)
        direct = DirectCluster(self.cluster, self.known)
        parts = {"monitoring": NEVER, "pods": Pods(self.cluster)} | settings
        self.one = reconciler(direct, cache=CachedCluster(self.cluster, self.known), **parts)

    def watch(self, *kinds):
        for live in copy.deepcopy(list(self.cluster.objects.values())):
            if live["kind"] == names.KIND and (not kinds or names.KIND in kinds):
                self.known.put_resource(live)
        watched = self.known.watched
        stores = {kind: (store, True) for kind, store in watched.children.items()}
        for kind, (store, is_ours) in [*stores.items(), ("ConfigMap", (watched.other_config_maps, False))]:
            if kinds and kind not in kinds:
                continue
            store.begin_list("", "")
            for live in copy.deepcopy(list(self.cluster.objects.values())):
                if live["kind"] == kind and (names.LABEL_UID in live["metadata"].get("labels", {})) == is_ours:
                    store.put(live)
            store.end_list("")

    def work(self, passes=1):
        self.cluster.reads.clear()
        self.cluster.writes.clear()
        for _ in range(passes):
            result = asyncio.run(self.one.reconcile(KEY))
        return result

    def settle(self):
        """Work until a pass has nothing to write, with a pod that loads the candidate for ever."""
        self.watch()
        self.work(6)
        self.put_pod("pod-1")
        self.watch()
        self.work(6)
        self.watch()
        return self

    def put_pod(self, name):
        template = self.cluster.objects["Deployment", "default", "categories"]["spec"]["template"]["metadata"]
        metadata = {"namespace": "default", "name": name, "uid": f"uid-{name}", "labels": template["labels"]}
        state = {"name": "server", "containerID": "c", "state": {"running": {"startedAt": NOW.isoformat()}}}
        self.cluster.put(
            {
                "kind": "Pod",
                "metadata": metadata | {"annotations": dict(template["annotations"])},
                "spec": {},
                "status": {"phase": "Running", "podIP": "10.0.0.7", "containerStatuses": [state | {"restartCount": 0}]},
            }
        )

    def status(self):
        return self.cluster.objects[names.KIND, "default", "categories"]["status"]

    def edit(self, **changes):
        live = self.cluster.objects[names.KIND, "default", "categories"]
        metadata = live["metadata"] | {"generation": live["metadata"]["generation"] + 1}
        self.cluster.put(live | {"metadata": metadata, "spec": live["spec"] | changes})


def test_a_pass_that_changes_nothing_makes_no_request():
    operator = Operator().settle()
    assert operator.work().outcome == "unchanged"
    assert (operator.cluster.reads, operator.cluster.writes) == ([], [])


def test_a_pass_that_has_something_to_write_reads_everything_first():
    operator = Operator().settle()
    operator.edit(canary={"shadowSoak": "1s"}, runID="run_bbbbbbbb_1")
    operator.watch()
    assert operator.work().outcome == "changed"
    assert sorted(set(operator.cluster.reads)) == sorted(
        {f"get {names.KIND}", "list Pod", "list ConfigMap", "get ConfigMap"}
        | {f"get {kind}" for kind in CHILDREN if kind != "Pod"}
    )


def test_what_a_cache_misses_is_not_created_again():
    operator = Operator().settle()
    operator.known.watched.children["Service"].begin_list("", "")
    operator.known.watched.children["Service"].end_list("")
    assert operator.work().outcome == "unchanged"
    assert "get Service" in operator.cluster.reads
    assert operator.cluster.writes == []
    operator.work()
    assert operator.cluster.reads == [], "what was read is known"


def test_an_edit_of_a_child_is_reverted_once_its_event_has_arrived():
    operator = Operator().settle()
    service = operator.cluster.objects["Service", "default", "categories"]
    operator.cluster.put(service | {"spec": service["spec"] | {"selector": {"app": "other"}}})
    operator.work()
    assert operator.cluster.writes == []
    operator.watch("Service")
    operator.work()
    assert ("apply Service", "categories") in operator.cluster.writes


def test_the_operators_own_status_is_known_at_once():
    operator = Operator()
    operator.watch()
    operator.work()
    written = operator.status()
    seen = operator.known.get(names.KIND, "default", "categories")
    assert seen["status"] == written
    operator.known.put_resource({**copy.deepcopy(seen), "metadata": seen["metadata"] | {"resourceVersion": "1"}})
    assert operator.known.get(names.KIND, "default", "categories")["status"] == written


def test_a_resource_of_which_only_an_old_version_is_known_is_decided_once():
    """Its status is written by another operator; the cache still has the first version."""
    operator = Operator()
    operator.watch()
    old = copy.deepcopy(operator.known.get(names.KIND, "default", "categories"))
    operator.settle()
    before = json.dumps(operator.status(), sort_keys=True)
    operator.known.forget_resources()
    operator.known.put_resource(old)
    assert operator.work().outcome == "unchanged"
    assert json.dumps(operator.status(), sort_keys=True) == before
    assert operator.cluster.writes == []


def test_a_deleted_resource_is_noticed_by_its_event_or_after_a_while():
    operator = Operator().settle()
    del operator.cluster.objects[names.KIND, "default", "categories"]
    assert operator.work().outcome == "unchanged"
    operator.now += 301
    assert operator.work().outcome == "gone"


def test_before_the_lists_are_complete_everything_is_read_directly():
    operator = Operator().settle()
    for store in operator.known.watched.children.values():
        store.forget_list("")
    assert operator.work().outcome == "unchanged"
    assert {"list Pod", "get Deployment"} <= set(operator.cluster.reads)


def test_after_a_conflict_an_object_is_read_again():
    known = KnownObjects(WatchedObjects(None), clock=lambda: 0.0)
    cluster = Counted()
    cached = CachedCluster(cluster, known)
    live = asyncio.run(cached.get(names.KIND, "default", "categories"))
    asyncio.run(cached.get(names.KIND, "default", "categories"))
    assert cluster.reads == [f"get {names.KIND}"]
    cluster.put(live)
    with pytest.raises(ConflictError):
        asyncio.run(cached.put_status("default", "categories", {}, live["metadata"]["resourceVersion"]))
    asyncio.run(cached.get(names.KIND, "default", "categories"))
    assert cluster.reads == [f"get {names.KIND}"] * 2


def test_rules_are_read_once_for_each_version():
    operator = Operator()
    operator.cluster.put({"kind": "ConfigMap", "metadata": rules_metadata(), "data": {names.RULES_KEY: RULES}})
    operator.edit(server=SPEC["server"] | {"rules": {"configMapName": "rules"}})
    operator.settle()
    operator.work(3)
    assert operator.cluster.reads == []
    operator.cluster.put({"kind": "ConfigMap", "metadata": rules_metadata(), "data": {names.RULES_KEY: "no rules"}})
    operator.watch()
    operator.work()
    assert "get ConfigMap" in operator.cluster.reads
    assert any("rules.yaml" in one["message"] for one in operator.status()["conditions"])


def rules_metadata():
    return {"namespace": "default", "name": "rules", "uid": "uid-rules"}


def test_of_large_config_maps_only_the_last_are_kept():
    known = KnownObjects(WatchedObjects(None), clock=lambda: 0.0)
    others = known.watched.other_config_maps
    for name in "abc":
        metadata = {"namespace": "default", "name": name, "uid": name, "resourceVersion": "1"}
        live = {"kind": "ConfigMap", "metadata": metadata, "data": {"text": "x" * (MAX_TEXT // 2)}}
        others.put(live)
        known.put(live)
    others.end_list("")
    known.watched.children["ConfigMap"].end_list("")
    with pytest.raises(UnknownError):
        known.get("ConfigMap", "default", "a")
    assert known.get("ConfigMap", "default", "c")["metadata"]["name"] == "c"
    with pytest.raises(NotFoundError):
        known.get("ConfigMap", "default", "d")


@pytest.mark.parametrize("is_refused", [False, True], ids=["no such API", "no right to read it"])
def test_what_is_not_watched_is_read_once_a_minute(is_refused):
    operator = Operator(monitoring=Monitoring(pod_monitor="Auto")).settle()
    if is_refused:
        operator.cluster.forbidden.add("PodMonitor")
    operator.now += 61
    operator.watch()
    operator.work(3)
    assert operator.cluster.reads == ["get PodMonitor", "serves podmonitors"]
    kind = RefusedError if is_refused else NotFoundError
    with pytest.raises(kind):
        operator.known.get("PodMonitor", "default", "categories")


def test_what_is_known_of_deleted_resources_is_dropped_after_a_while():
    now = 0.0
    known = KnownObjects(WatchedObjects(None), clock=lambda: now)
    for number in range(20):
        known.put({"kind": "PodMonitor", "metadata": {"namespace": "default", "name": f"m{number}"}})
        known.put_failure(("PodMonitor", "default", f"n{number}"), NotFoundError("none"))
    now = 61.0
    known.put({"kind": "PodMonitor", "metadata": {"namespace": "default", "name": "last"}})
    assert list(known._recent) == [("PodMonitor", "default", "last")]


def test_an_error_that_is_kept_does_not_keep_what_its_traceback_leads_to():
    known = KnownObjects(WatchedObjects(None), clock=lambda: 0.0)
    raised = RefusedError("no right to read it")
    with pytest.raises(RefusedError):
        raise raised
    assert raised.__traceback__ is not None
    known.put_failure(("PodMonitor", "default", "a"), raised)
    [one] = known._recent.values()
    assert (str(one.found), one.found.__traceback__) == ("no right to read it", None)


def test_a_failed_write_to_a_pod_that_is_gone_does_not_make_every_later_list_a_request():
    operator = Operator().settle()
    pods = operator.known.watched.children["Pod"]
    pods.remove(operator.cluster.objects.pop(("Pod", "default", "pod-1")))
    operator.known.doubt("Pod", "default", "pod-1")
    labels = {names.LABEL_UID: operator.cluster.objects[names.KIND, "default", "categories"]["metadata"]["uid"]}
    assert operator.known.find("Pod", "default", labels) == []
