"""CPU time of one pass of the operator, with a cluster, pods and a Prometheus that are in this process.

    python benchmarks/scale/passes.py [--profile]

One resource with five gates stays at 10 % of users, like those of run.py. Requests cost nothing here but the JSON of a
status; everything else is the operator's own code. Printed is the shortest time of several rounds.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import re
import time
from datetime import UTC, datetime, timedelta

from answers import Answers, Server
from prometheus_client.parser import text_string_to_metric_families
from resources import RULES, run_id, suggestion_model

from serin_core.api.packing import expanded
from serin_core.contract import names
from serin_core.contract.documents import ModelDocument, RoutingDocument
from serin_core.contract.pod_report import PodReport
from serin_core.counting.stage_query import Series
from serin_operator.apply import Applier
from serin_operator.check_caller import CheckCaller
from serin_operator.check_client import CheckClient
from serin_operator.gather import Gatherer
from serin_operator.input_readings import InputReadings
from serin_operator.interfaces import NotFoundError
from serin_operator.metrics import OperatorMetrics
from serin_operator.notifications.delivery import Delivery
from serin_operator.object_ref import Key
from serin_operator.parsing import Parser
from serin_operator.pod_reports import PodReports
from serin_operator.readings import Readings
from serin_operator.reconcile import Reconciler
from serin_operator.records import RecordKeeper
from serin_operator.routing_keys import RoutingKeys
from serin_operator.settings import Monitoring, ServerDefaults
from serin_operator.stage_reader import StageReader

KEY = Key("bench", "model")
ROUNDS, PASSES, WARM = 5, 10, 30
RATE = 20.0
_SINCE = "2025-12-31T00:00:00Z"


class World:
    """The resource, its children, its pod and the time. Implements interfaces.Kubernetes as far as it is used here."""

    def __init__(self):
        self.now, self.began = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
        self.objects, self.version, self.statuses = {}, 0, 0
        self.server = None
        metadata = {"uid": "uid-1", "generation": 1}
        model = suggestion_model(KEY.name, run_id=run_id(1))
        self._put(model | {"metadata": model["metadata"] | metadata})
        self._put(
            {
                "kind": "ConfigMap",
                "metadata": {"namespace": KEY.namespace, "name": "rules"},
                "data": {"rules.yaml": f"classes:\n{RULES}"},
            }
        )

    @property
    def seconds(self):
        """Seconds of traffic so far."""
        return (self.now - self.began).total_seconds()

    def _put(self, live):
        self.version += 1
        live = live | {"metadata": live["metadata"] | {"resourceVersion": str(self.version)}}
        self.objects[live["kind"], live["metadata"]["name"]] = live
        return live

    async def get(self, kind, _namespace, name):
        """See interfaces.Kubernetes."""
        if (kind, name) not in self.objects:
            raise NotFoundError(name)
        return self.objects[kind, name]

    async def list(self, kind, _namespace, labels):
        """See interfaces.Kubernetes."""
        found = [live for (of, _), live in self.objects.items() if of == kind]
        return [live for live in found if labels.items() <= live["metadata"].get("labels", {}).items()]

    async def create(self, rendered):
        """See interfaces.Kubernetes."""
        return self._put(rendered)

    async def apply(self, rendered, _resource_version):
        """See interfaces.Kubernetes."""
        return self._put(rendered)

    async def post_event(self, rendered):
        """See interfaces.Kubernetes."""

    async def put_status(self, _namespace, name, status, _resource_version):
        """See interfaces.Kubernetes."""
        self.statuses += 1
        live = self.objects[names.KIND, name] | {"status": json.loads(json.dumps(status))}
        return json.loads(json.dumps(self._put(live)))

    async def annotate_pod(self, _namespace, name, *, annotations, **_expected):
        """See interfaces.Kubernetes."""
        live = self.objects["Pod", name]
        changed = live["metadata"] | {"annotations": live["metadata"]["annotations"] | annotations}
        return self._put(live | {"metadata": changed})

    # --- the pod ---

    def run_pod(self):
        """Let the pod follow its Deployment and its routing."""
        deployment = self.objects.get(("Deployment", KEY.name))
        if deployment is None:
            return
        template = deployment["spec"]["template"]
        volumes = {one["name"]: one for one in template["spec"]["volumes"]}
        model = self._document(volumes["model"]["configMap"]["name"], ModelDocument, names.MODEL_KEY)
        runs = tuple(one.run for one in model.runs)
        if self.server is None or self.server.runs != runs:
            self.server = Server(str(KEY), "uid-1", "pod", "process", model.attempt, runs)
        self.server.take(self._document(f"{KEY.name}-routing", RoutingDocument, names.ROUTING_KEY), self.seconds)
        before = self.objects.get(("Pod", "pod"), {"metadata": {"annotations": {}}})["metadata"]["annotations"]
        annotations = before | template["metadata"]["annotations"]
        self.server.announced = int(annotations.get(names.ANNOTATION_REVISION, -1))
        metadata = {"namespace": KEY.namespace, "name": "pod", "uid": "u-pod", "labels": template["metadata"]["labels"]}
        self._put(
            {
                "kind": "Pod",
                "metadata": metadata | {"annotations": annotations},
                "spec": {"nodeName": "node"} | template["spec"],
                "status": _running(),
            }
        )

    def _document(self, name, kind, key):
        return kind.parse(self.objects["ConfigMap", name]["data"][key])


def _running():
    conditions = [{"type": one, "status": "True", "lastTransitionTime": _SINCE} for one in ("PodScheduled", "Ready")]
    container = {"name": "server", "containerID": "c", "ready": True, "started": True, "restartCount": 0}
    container["state"] = {"running": {"startedAt": _SINCE}}
    return {"phase": "Running", "podIP": "10.0.0.1", "conditions": conditions, "containerStatuses": [container]}


class Pods:
    """Reports of the pod. Implements pod_reports.Pods."""

    def __init__(self, world, answers):
        self._world, self._answers = world, answers

    async def fetch_report(self, question):
        """Return the report of the pod, parsed as that of a real one."""
        known = ",".join(question.known_digests)
        return PodReport.model_validate_json(self._answers.status(self._world.server, known))


class Prometheus:
    """Series of the pod as the operator's queries return them."""

    def __init__(self, world, answers):
        self._world, self._answers, self._kept = world, answers, {}

    async def read(self, _endpoint, query):
        """Return the series of a stage, made before the measurement where `prepare` was called."""
        self.query = query
        return self.prepare(self._world.seconds)

    def prepare(self, seconds):
        """Return the series at a time."""
        if seconds not in self._kept:
            wanted = re.search(r'__name__=~"([^"]*)"', self.query)[1].split("|")
            text = self._answers.metrics(self._world.server, seconds).decode()
            found = [
                Series({"__name__": one.name} | one.labels, one.value)
                for family in text_string_to_metric_families(text)
                for one in family.samples
                if one.name == names.LABEL_CHECK
                or (one.name in wanted and one.labels.get("le", "0.1") == "0.1" and one.labels.get("agree") != "None")
            ]
            now = (self._world.began + timedelta(seconds=seconds)).timestamp()
            found += [Series({"serin_fresh": "true"}, float(len(found))), Series({"serin_now": "true"}, now)]
            self._kept = {seconds: found}
        return self._kept[seconds]


class Bench:
    """One reconciler and its world."""

    def __init__(self):
        self.world, answers = World(), Answers(RATE)
        self.prometheus, metrics = Prometheus(self.world, answers), OperatorMetrics(lambda: 0)

        def clock():
            return self.world.now

        def enqueue(_key):
            return None

        parser = Parser()

        gatherer = Gatherer(
            cluster=self.world,
            reports=PodReports(Pods(self.world, answers), enqueue=enqueue),
            server=ServerDefaults(image="server:1"),
            monitoring=Monitoring(pod_monitor="Never"),
            keys=RoutingKeys(),
            parser=parser,
        )
        self.reconciler = Reconciler(
            cluster=self.world,
            gatherer=gatherer,
            applier=Applier(self.world, keep_status=parser.keep_status),
            delivery=Delivery({}, wake=enqueue, metrics=metrics.notifications, clock=clock),
            metrics=metrics,
            records=RecordKeeper(self.world, metrics.records, clock),
            checks=CheckCaller(CheckClient({}), enqueue=enqueue, clock=clock),
            readings=Readings(StageReader(self.prometheus, window=0), enqueue=enqueue, clock=clock, patience=5.0),
            inputs=InputReadings(self.prometheus, enqueue=enqueue, clock=time.monotonic),
            clock=clock,
        )

    async def begin(self):
        """Bring the resource to 10 % of users."""
        for number in range(WARM):
            self.world.run_pod()
            await self.reconciler.reconcile(KEY)
            self.world.now += timedelta(seconds=1 if number < WARM // 2 else 30)
        status = expanded(self.world.objects[names.KIND, KEY.name]["status"])
        if status["candidate"]["percent"] != 10 or not all(gate["total"] for gate in status["gates"]):
            raise RuntimeError(f"not at 10 % of users: {status}")

    async def measure(self, seconds, profile):
        """Return milliseconds of CPU for each pass, and statuses written for each, with this time between two."""
        found, before = [], self.world.statuses
        for _ in range(ROUNDS):
            spent = 0.0
            for _ in range(PASSES):
                self.world.now += timedelta(seconds=seconds)
                if seconds:
                    self.prometheus.prepare(self.world.seconds)
                began = time.process_time()
                if profile is not None:
                    profile.enable()
                await self.reconciler.reconcile(KEY)
                if profile is not None:
                    profile.disable()
                spent += time.process_time() - began
            found.append(1000 * spent / PASSES)
        return min(found), (self.world.statuses - before) / (ROUNDS * PASSES)


async def run(order):
    """Measure and print passes with new counts, and passes without."""
    bench = Bench()
    await bench.begin()
    for what, seconds in (("with new counts", 30.0), ("without a change", 0.0)):
        profile = cProfile.Profile(time.process_time) if order else None
        spent, writes = await bench.measure(seconds, profile)
        print(f"pass {what}: {spent:.2f} ms, {writes:.2f} statuses written")
        if profile is not None:
            pstats.Stats(profile).sort_stats(order).print_stats(80)


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", metavar="ORDER", nargs="?", const="cumtime", help="also print where the time goes")
    asyncio.run(run(parser.parse_args().profile))


if __name__ == "__main__":
    main()
