"""CPU time of single parts of the operator, each beside a plain way to do the same.

python benchmarks/scale/parts.py
"""

import json
import time
import tracemalloc
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from resources import run_id, suggestion_model

from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import GateStatus
from serin_core.api.resource import Resource
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Candidate, CandidateState, Condition, Phase, Status, TemplateRun
from serin_core.kubernetes import diff, manifests, pod_objects, pod_template
from serin_core.kubernetes.inputs import RulesText, ServerImage
from serin_operator.object_store import ObjectStore
from serin_operator.resource_metrics import SERIES, ResourceMetrics

RESOURCES, ROUNDS = 1000, 5
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES, IMAGE = RulesText("classes:\n  A: [a]\n"), ServerImage("server:1")
STATUS = Status(
    phase=Phase.CANARY,
    pod_runs=(TemplateRun(run_id=run_id(1)),),
    candidate=Candidate(run_id=run_id(1), state=CandidateState.RUNNING, percent=10, attempt_started_at=NOW),
    gates=tuple(
        GateStatus(name=name, at_least=0.9, good=97, total=100, estimate=0.97, lower=0.92, upper=0.99, reason="Proven")
        for name in list(GateName)[:5]
    ),
    conditions=(Condition(type="Ready", status="Unknown", reason="RolloutProgressing", last_transition_time=NOW),),
)


class ByClient:
    """The series of resources as a collector of prometheus_client."""

    def __init__(self, seen):
        self._seen = seen

    def collect(self):
        """Yield every series of every resource."""
        for series in SERIES:
            kind = CounterMetricFamily if series.is_counter else GaugeMetricFamily
            family = kind(series.name, series.help, labels=["namespace", "name", *series.labels])
            for resource, seen in self._seen.items():
                for labels, value in series.values(seen):
                    family.add_metric([*resource, *labels], value)
            yield family


def cpu(work):
    """Return the least CPU time in milliseconds, of several rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        found.append(1000 * (time.process_time() - began))
    return min(found)


def scrapes():
    """Print what a scrape of many resources costs."""
    metrics = ResourceMetrics()

    def check():
        for number in range(RESOURCES):
            metrics.record_check("bench", f"model-{number}", STATUS, NOW, is_counted=True)

    check()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ByClient(metrics._seen))  # noqa: SLF001 - what the text is made from
    by_client, nothing = cpu(lambda: generate_latest(registry)), cpu(metrics.exposition.text)
    changed = cpu(lambda: (check(), metrics.exposition.text())) - cpu(check)
    print(f"scrape of {RESOURCES} resources, {len(metrics.exposition.text().splitlines()):,} lines:")
    print(f"  prometheus_client {by_client:.0f} ms; kept: all changed {changed:.0f} ms, none changed {nothing:.0f} ms")


def rendering():
    """Print what the pod template and its comparison cost."""
    spec = SuggestionModelSpec.model_validate(suggestion_model("model", run_id=run_id(1))["spec"])
    resource = Resource("bench", "model", "u-1", 1, "1", spec, None)
    name = manifests.model(resource, STATUS, RULES)["metadata"]["name"]
    often = range(1000)
    rendered = cpu(
        lambda: [
            (
                manifests.model(resource, STATUS, RULES),
                pod_template.render(resource, STATUS, model_name=name, image=IMAGE),
            )
            for _ in often
        ]
    )
    kept = cpu(lambda: [pod_objects.template(resource, STATUS, RULES, IMAGE) for _ in often])
    template = pod_objects.template(resource, STATUS, RULES, IMAGE)
    live = manifests.deployment(resource, template) | {"status": {}}
    live["spec"] = live["spec"] | {"progressDeadlineSeconds": 600}
    compared = cpu(lambda: [diff.holds(live, manifests.deployment(resource, template)) for _ in often])
    print(
        f"pod template and model: rendered {rendered:.0f} us, kept {kept:.0f} us; Deployment compared {compared:.0f} us"
    )


def memory():
    """Print what the children of one resource take in memory, without what the API server adds to them."""
    spec = SuggestionModelSpec.model_validate(suggestion_model("model", run_id=run_id(1))["spec"])
    resource = Resource("bench", "model", "u-1", 1, "1", spec, None)
    template = pod_objects.template(resource, STATUS, RULES, IMAGE)
    children = (
        manifests.model(resource, STATUS, RULES),
        manifests.deployment(resource, template),
        manifests.service(resource),
        manifests.service_account(resource),
        manifests.disruption_budget(resource),
    )
    texts, store = [json.dumps(one) for one in children], ObjectStore()

    def put(number, live):
        live["metadata"] |= {"name": f"{live['kind']}-{number}"}
        store.put(live)

    parsed = allocated(lambda: [json.loads(text) for _ in range(RESOURCES) for text in texts])
    kept = allocated(lambda: [put(number, json.loads(text)) for number in range(RESOURCES) for text in texts])
    print(f"children of a resource: parsed {parsed / RESOURCES:.1f} kB, in a store {kept / RESOURCES:.1f} kB")


def allocated(work):
    """Return the kilobytes that what some work returns or keeps takes."""
    tracemalloc.start()
    found = work()
    size = tracemalloc.get_traced_memory()[0] / 1000
    tracemalloc.stop()
    del found
    return size


if __name__ == "__main__":
    scrapes()
    rendering()
    memory()
