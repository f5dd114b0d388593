"""A Kubernetes that lives in memory, and the operator's reconciler against it."""

import asyncio
import copy
import json
import time
from datetime import UTC, datetime

from serin_core.contract import names
from serin_core.counting.reading import Unreadable
from serin_core.kubernetes.label_selector import LabelSelector
from serin_core.rollout.observation import NoAnswer
from serin_operator.apply import Applier
from serin_operator.check_caller import CheckCaller
from serin_operator.check_client import CheckClient
from serin_operator.gather import Gatherer
from serin_operator.input_readings import InputReadings
from serin_operator.interfaces import BusyError, ConflictError, NotFoundError, RefusedError
from serin_operator.metrics import OperatorMetrics
from serin_operator.notifications.delivery import Delivery
from serin_operator.parsing import Parser
from serin_operator.pod_reports import PodReports
from serin_operator.readings import Readings
from serin_operator.reconcile import Key, Reconciler
from serin_operator.records import RecordKeeper
from serin_operator.routing_keys import RoutingKeys
from serin_operator.settings import Monitoring, ServerDefaults
from serin_operator.stage_reader import StageReader

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Key("default", "categories")
NEVER = Monitoring(pod_monitor="Never")
SPEC = {
    "runID": "run_aaaaaaaa_1",
    "registry": {"volume": {"claimName": "registry"}},
    "server": {"token": {"secretName": "t"}},
}


class MemoryCluster:
    """Implements interfaces.Kubernetes over a dictionary, and remembers every write."""

    def __init__(self):
        self.objects, self.version, self.writes, self.fail = {}, 0, [], {}
        self._specs = {}
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
        self._count_generation(stored)
        stored["metadata"] |= {"resourceVersion": str(self.version)}
        self.objects[stored["kind"], stored["metadata"]["namespace"], stored["metadata"]["name"]] = stored
        return stored

    def _count_generation(self, live):
        """Raise the generation of a SuggestionModel whose spec has changed, also where a test edited it in place."""
        if live["kind"] != names.KIND:
            return
        key, now = live["metadata"]["name"], (live["metadata"]["generation"], json.dumps(live["spec"], sort_keys=True))
        generation, spec = self._specs.get(key, now)
        if now[0] == generation and now[1] != spec:
            live["metadata"]["generation"] += 1
        self._specs[key] = live["metadata"]["generation"], now[1]

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
        live = self._at(kind, namespace, name, None)
        self._count_generation(live)
        return copy.deepcopy(live)

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
        return copy.deepcopy(self.put(self.admit(copy.deepcopy(rendered))))

    async def create_secret(self, rendered):
        await self.create(rendered)

    async def post_event(self, rendered):
        await self.create(rendered)

    async def repeat_event(self, namespace, name, series):
        self._write("repeat Event", name)
        self.put(self._at("Event", namespace, name, None) | {"series": series})

    async def list_events(self, namespace, uid):
        return []

    async def get_node(self, name):
        if "Node" in self.forbidden:
            return None
        return copy.deepcopy(self._at("Node", "", name, None))

    async def apply(self, rendered, resource_version):
        metadata = rendered["metadata"]
        self._write(f"apply {rendered['kind']}", metadata["name"])
        self._at(rendered["kind"], metadata["namespace"], metadata["name"], resource_version)
        return copy.deepcopy(self.put(self.admit(copy.deepcopy(rendered))))

    async def put_status(self, namespace, name, status, resource_version):
        self._write("status", name)
        live = self._at(names.KIND, namespace, name, resource_version)
        return copy.deepcopy(self.put(live | {"status": status}))

    async def annotate_pod(self, namespace, name, *, uid, expected, annotations):
        self._write("annotate", name)
        live = self._at("Pod", namespace, name, None)
        changed = live["metadata"] | {"annotations": live["metadata"]["annotations"] | annotations}
        return copy.deepcopy(self.put(live | {"metadata": changed}))

    async def delete_lost_pod(self, namespace, name, uid):
        self._write("delete lost Pod", name)
        del self.objects["Pod", namespace, name]

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

    async def read_number(self, endpoint, query):
        return Unreadable("Unreachable", "down")

    async def read_samples(self, endpoint, query, at):
        return Unreadable("Unreachable", "down")


class SilentPods:
    def __init__(self):
        self.asked = []

    async def fetch_report(self, question):
        self.asked.append((question.address, question.uid))
        return NoAnswer("silent")


def reconciler(
    cluster,
    metrics=None,
    *,
    clock=lambda: NOW,
    monitoring=NEVER,
    pods=None,
    delivery=None,
    records=None,
    checks=None,
    prometheus=None,
    inputs=None,
    enqueue=lambda _key: None,
    cache=None,
    selector="",
    keys=None,
    **server,
):
    metrics, parser = metrics or OperatorMetrics(lambda: 0), Parser()
    gatherer = Gatherer(
        cluster=cluster,
        reports=PodReports(pods or SilentPods(), enqueue=enqueue),
        server=ServerDefaults(image="server:1", **server),
        monitoring=monitoring,
        keys=keys or RoutingKeys(),
        parser=parser,
    )
    return Reconciler(
        cluster=cluster,
        gatherer=gatherer,
        applier=Applier(cluster, keep_status=parser.keep_status),
        delivery=delivery or Delivery({}, wake=print, metrics=metrics.notifications, clock=clock),
        metrics=metrics,
        records=records or RecordKeeper(cluster, metrics.records, clock),
        checks=checks or CheckCaller(CheckClient({}), enqueue=lambda _key: None, clock=clock),
        readings=Readings(
            StageReader(prometheus or SilentPrometheus(), window=0), enqueue=enqueue, clock=clock, patience=0.02
        ),
        inputs=InputReadings(inputs or SilentPrometheus(), enqueue=enqueue, clock=time.monotonic),
        clock=clock,
        cache=cache,
        selector=LabelSelector.parse(selector),
    )


def reconcile_once(cluster, **parts):
    cluster.writes.clear()
    return asyncio.run(reconciler(cluster, **parts).reconcile(KEY))


def restarted_pods(*codes):
    """Return a cluster in which pods load the candidate, and one container has ended with each of these codes."""
    cluster = MemoryCluster()
    for _ in range(5):
        reconcile_once(cluster)
    owner = next(one for one in cluster.objects.values() if one["kind"] == "Deployment")
    template = owner["spec"]["template"]["metadata"]
    for number, code in enumerate(codes):
        ended = {"exitCode": code, "reason": "Error", "finishedAt": NOW.isoformat()}
        server = {
            "name": "server",
            "containerID": "c",
            "restartCount": 1,
            "state": {"running": {"startedAt": NOW.isoformat()}},
            "lastState": {"terminated": ended},
        }
        sidecar = {"name": "proxy", "restartCount": 7, "lastState": {"terminated": ended | {"exitCode": 1}}}
        metadata = {"namespace": "default", "name": f"pod-{number}", "uid": f"uid-pod-{number}"}
        cluster.put(
            {
                "kind": "Pod",
                "metadata": metadata | {"labels": template["labels"], "annotations": dict(template["annotations"])},
                "spec": {"nodeName": "node-1"},
                "status": {"phase": "Running", "podIP": "10.0.0.7", "containerStatuses": [sidecar, server]},
            }
        )
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2025-01-01T00:00:00Z"}
    cluster.put({"kind": "Node", "metadata": {"namespace": "", "name": "node-1"}, "status": {"conditions": [ready]}})
    return cluster


def ready_reason(cluster):
    conditions = cluster.objects[names.KIND, "default", "categories"]["status"]["conditions"]
    return next(one["reason"] for one in conditions if one["type"] == "Ready")


def posted_events(cluster):
    return {one["reason"]: one["note"] for key, one in cluster.objects.items() if key[0] == "Event"}


def condition(cluster, kind):
    conditions = cluster.objects[names.KIND, "default", "categories"]["status"]["conditions"]
    return next((one["status"], one["reason"], one["message"]) for one in conditions if one["type"] == kind)
