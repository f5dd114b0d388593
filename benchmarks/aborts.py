"""Time from an abort to its routing and to the pods' confirmation, while Prometheus hangs, on a local cluster.

    make bench-aborts [ROUNDS=5]
    python benchmarks/aborts.py [--rounds 5] [--models 10] [--cases touched] [--json FILE]

Prometheus is a socket that accepts connections and never responds. In each round every SuggestionModel gets to 10 % by
a promote and is then aborted, one after the other: untouched, and then while each object is touched every 4 s and a
query may take 60 s. Limits and results are in docs/performance.md.
"""

import argparse
import json
import secrets
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from random import Random

from kubernetes import client, config
from watched import Objects, report_line

from serin_core.api.packing import expanded
from serin_demo import data
from serin_demo.commands import run
from serin_demo.installation import NAMESPACE, ROOT, Installation, resource
from serin_localcluster.cluster import OWN_IMAGES, start_cluster
from serin_localcluster.hanging import hanging_endpoint

SGM = ("serin.dev", "v1alpha1", NAMESPACE, "suggestionmodels")
TOUCH_EVERY = 4.0
CASES = ("untouched", "touched")
"""The second one with a timeout of 60 s for queries."""
LIMITS = {"routing written": 1.0, "routing confirmed by every pod": 2.0}
"""Seconds: 99 % of the aborts are to be within them."""


class Bench:
    """SuggestionModels on a cluster whose Prometheus hangs."""

    def __init__(self, kubeconfig, work, *, run_id, models):
        config.load_kube_config(str(kubeconfig))
        self.custom, self.run_id = client.CustomObjectsApi(), run_id
        self.installation = Installation(kubeconfig=kubeconfig, directory=work)
        self.names = [f"categories-{number}" for number in range(models)]
        self.applied = set()
        self.random = Random(1)  # noqa: S311 - when to abort

    def install(self, url, *, registry, rules):
        """Install the operator with a Prometheus that hangs, and watch the objects of the benchmark."""
        endpoints = {"default": {"url": url}, "patient": {"url": url, "timeoutSeconds": 60}}
        self.installation.install_operator(prometheus_url=url, configuration={"prometheus": endpoints}, timeout="180s")
        self.installation.prepare(registry=registry, rules=rules, token=secrets.token_hex(16))
        self.models = Objects(self.custom.list_namespaced_custom_object, *SGM)
        self.config_maps = Objects(client.CoreV1Api().list_namespaced_config_map, NAMESPACE)

    def apply(self, name, endpoint):
        """Apply one SuggestionModel, whose stages end by requests only."""
        canary = {"shadowSoak": "1h", "steps": [{"percent": 10, "soak": "1h"}]}
        found = resource(self.run_id, {"canary": canary, "analysis": {"prometheus": endpoint}})
        found["spec"]["server"]["replicas"] = 1  # many processes would make the machine busy
        found["metadata"] = {"name": name, "namespace": NAMESPACE}
        self.installation.apply(found)
        self.applied.add(name)

    def annotate(self, name, annotations):
        """Annotate a SuggestionModel, as users and other controllers do."""
        self.custom.patch_namespaced_custom_object(*SGM, name, {"metadata": {"annotations": annotations}})

    def request(self, name, action, *words):
        """Make a manual request."""
        value = " ".join((self.run_id, *words, datetime.now(UTC).isoformat().replace("+00:00", "Z")))
        self.annotate(name, {f"request.serin.dev/{action}": value})

    def wait_for_stage(self, name, percent, since):
        """Wait until the candidate is served to this percent of users."""

        def holds(found):
            known = status(found)
            candidate = known.get("candidate") or {}
            is_stage = candidate.get("percent") == percent and bool(candidate.get("stageStartedAt"))
            return found["metadata"]["name"] == name and is_stage and known["phase"] != "RolledBack"

        self.models.wait(holds, since=since)

    def roll_out(self, endpoint):
        """Bring every SuggestionModel to 10 %, again if it was aborted before."""
        since = len(self.models.seen)
        for name in self.names:
            self.apply(name, endpoint)
            self.request(name, "retry")
        for name in self.names:
            self.wait_for_stage(name, 0, since)
            self.request(name, "promote", "0")
        for name in self.names:
            self.wait_for_stage(name, 10, since)

    def abort(self, name):
        """Abort one rollout, and return the seconds until the routing is written and until it is confirmed."""
        since, maps_since, began = len(self.models.seen), len(self.config_maps.seen), time.monotonic()
        self.request(name, "abort")

        def is_written(found):
            if found["metadata"]["name"] != f"{name}-routing":
                return False
            return json.loads(found["data"]["routing.json"])["candidate"] is None

        def is_confirmed(found):
            known = status(found)
            is_over = known.get("phase") == "RolledBack" and known["propagation"]["confirmed"]
            return found["metadata"]["name"] == name and is_over

        written, _ = self.config_maps.wait(is_written, since=maps_since)
        confirmed, _ = self.models.wait(is_confirmed, since=since)
        return written - began, confirmed - began

    def measure(self, case, rounds, endpoint):
        """Print the times of all aborts after each round, and return them."""
        found = []
        for _ in range(rounds):
            self.roll_out(endpoint)
            for name in self.names:
                time.sleep(self.random.uniform(0, 2 * TOUCH_EVERY / len(self.names)))
                found.append(self.abort(name))
            times = zip(LIMITS.items(), zip(*found, strict=True), strict=True)
            lines = {f"{case}: abort to {what}": (seconds, limit) for (what, limit), seconds in times}
            results = {what: report_line(what, *line) for what, line in lines.items()}
        return results

    @contextmanager
    def touching(self):
        """Touch every object again and again, as other controllers do."""
        over = threading.Event()

        def touch():
            for name in cycle(self.names):
                if over.wait(TOUCH_EVERY / len(self.names)):
                    return
                if name in self.applied:
                    self.annotate(name, {"touched": str(time.monotonic())})

        thread = threading.Thread(target=touch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def status(found):
    """Return the whole status."""
    return expanded(found.get("status", {}))


def train(folder):
    """Return the registry, rules, and the name of a run."""
    source, registry = folder / "transactions.csv", folder / "runs"
    run(["serin", "generate", "--rows", "2000", "--seed", "3", "--out", str(source)])
    data.write(folder / "first.csv", data.split(source).training)
    command = ["serin", "train", "-o", "json", "--data", str(folder / "first.csv"), "--registry", str(registry)]
    name = json.loads(run(command))["run_directory"]
    run(["serin", "rules", "suggest", "--data", str(folder / "first.csv"), "--out", str(folder / "rules.yaml")])
    return registry, (folder / "rules.yaml").read_text(), name


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rollouts of each SuggestionModel, each aborted at 10 %%")
    parser.add_argument("--models", type=int, default=10, help="the number of SuggestionModels")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, help="all by default")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args()
    # kustomize takes resources only from below the project.
    work, results = ROOT / ".bench" / "aborts", {}
    with tempfile.TemporaryDirectory(prefix="serin-") as name, hanging_endpoint() as url:
        folder = Path(name)
        registry, rules, run_id = train(folder)
        with start_cluster(directory=folder / "cluster", images=OWN_IMAGES) as cluster:
            bench = Bench(cluster.kubeconfig, work, run_id=run_id, models=options.models)
            bench.install(url, registry=registry, rules=rules)
            if "untouched" in options.cases:
                results |= bench.measure("untouched", options.rounds, "default")
            if "touched" in options.cases:
                with bench.touching():
                    results |= bench.measure("touched", options.rounds, "patient")
        if options.json:
            options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
