"""Times on a real node: start of the operator and of servers, stage changes, rollbacks, a rolling update under load.

    make bench-node                                   # root; builds the images first
    python benchmarks/node.py [--rounds 50] [--json FILE]

Needs the images in .images/ and Helm. Limits are in docs/limits.md, with what was measured last.
"""

import argparse
import asyncio
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import datetime
from itertools import cycle
from pathlib import Path

import aiohttp
import numpy as np
from kubernetes import client, config
from watched import Objects, report_line

from serin_core.api.packing import expanded
from serin_demo import data
from serin_demo.commands import run
from serin_demo.installation import NAME, NAMESPACE, OPERATOR_NAMESPACE, ROOT, Installation, resource
from serin_demo.traffic import Traffic
from serin_localcluster.build import build
from serin_localcluster.realnode.node import start_node

IMAGES = ROOT / ".images"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
SGM = ("serin.dev", "v1alpha1", NAMESPACE, "suggestionmodels")
INSTALLATIONS = 5
STARTS = 10
UPDATES = 3
REQUESTS_PER_SECOND = 300
WORDS = 300_000
"""Words that are added to a run, so that it has the 20 MB of one that learned from years of many users."""


def is_ready(pod):
    """Return whether the pod is Ready."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions") or [])


class Bench:
    """A node with the project's images, and what is measured on it."""

    def __init__(self, node, work, rounds):
        self.node, self.work, self.rounds = node, work, rounds
        self.installation = Installation(kubeconfig=node.kubeconfig, directory=work)
        config.load_kube_config(str(node.kubeconfig))
        self.core, self.custom = client.CoreV1Api(), client.CustomObjectsApi()
        self.results = {}
        self.token = secrets.token_hex(16)

    def kubectl(self, *arguments):
        """Run kubectl against the node."""
        return self.installation.kubectl(*arguments)

    def helm(self, *arguments):
        """Run Helm against the node."""
        environment = os.environ | {f"HELM_{one}_HOME": str(self.work / one) for one in ("CACHE", "CONFIG", "DATA")}
        environment |= {"KUBECONFIG": str(self.node.kubeconfig), "HELM_NAMESPACE": OPERATOR_NAMESPACE}
        program = build(["helm"])["helm"][0]
        subprocess.run([program, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)

    def keep(self, what, found, limit=None, unit="s"):
        """Print and keep one result."""
        self.results[what] = report_line(what, found, limit, unit)

    def operator(self):
        """From `helm install` to a ready operator."""
        self.kubectl("create", "namespace", OPERATOR_NAMESPACE)
        self.kubectl("label", "namespace", OPERATOR_NAMESPACE, RESTRICTED)
        pods = Objects(self.core.list_namespaced_pod, OPERATOR_NAMESPACE, _preload_content=True)
        took = []
        for number in range(INSTALLATIONS):
            began, since = time.monotonic(), len(pods.seen)
            self.helm("install", "serin", str(ROOT / "charts" / "serin"), "--set", "crds.keep=false")
            at, _ = pods.wait(is_ready, since=since)
            took.append(at - began)
            if number < INSTALLATIONS - 1:
                self.helm("uninstall", "serin", "--wait")
                while self.core.list_namespaced_pod(OPERATOR_NAMESPACE).items:
                    time.sleep(0.2)
        self.keep("operator ready after helm install", took, 10)

    def apply(self, run_id, **changes):
        """Apply the SuggestionModel with stages of two seconds up to 50 %."""
        found = resource(run_id)
        found["spec"]["canary"] = {
            "shadowSoak": "2s",
            "steps": [{"percent": 10, "soak": "2s"}, {"percent": 50, "soak": "1h"}, {"percent": 100}],
        }
        found["spec"] |= changes
        self.installation.apply(found)

    def servers(self, run_id):
        """From the creation of a server pod to Ready, with a large run."""
        self.apply(run_id, server=resource(run_id)["spec"]["server"] | {"replicas": 1})
        options = {"label_selector": f"serin.dev/model={NAME}"}
        pods = Objects(self.core.list_namespaced_pod, NAMESPACE, **options)
        pods.wait(is_ready)
        self.promote()
        took = []
        for _ in range(STARTS):
            since = len(pods.seen)
            (old,) = [pod.metadata.name for pod in self.core.list_namespaced_pod(NAMESPACE, **options).items]
            self.core.delete_namespaced_pod(old, NAMESPACE)

            def is_new(pod, old=old):
                return pod["metadata"]["name"] != old

            made, _ = pods.wait(is_new, since=since)
            ready, _ = pods.wait(lambda pod, is_new=is_new: is_new(pod) and is_ready(pod), since=since)
            took.append(ready - made)
            while len(self.core.list_namespaced_pod(NAMESPACE, **options).items) > 1:
                time.sleep(0.2)
        self.keep("server ready after its pod was made, run of 20 MB", took, 4)
        self.memory("server with one large run")
        self.kubectl("delete", "sgm", NAME, "-n", NAMESPACE)
        while self.core.list_namespaced_pod(NAMESPACE, **options).items:
            time.sleep(0.2)

    def serin(self, *arguments):
        """Run `kubectl serin`."""
        run(["serin", *arguments, "-n", NAMESPACE], environment={"KUBECONFIG": str(self.node.kubeconfig)})

    def promote(self):
        """Promote the candidate at once."""
        self.serin("promote-full", NAME, "--reason", "benchmark")

    def memory(self, what):
        """Print the memory of every pod of Serin."""
        pods = [(NAMESPACE, one.metadata.name) for one in self.core.list_namespaced_pod(NAMESPACE).items]
        pods += [
            (OPERATOR_NAMESPACE, one.metadata.name) for one in self.core.list_namespaced_pod(OPERATOR_NAMESPACE).items
        ]
        script = "print(open('/proc/1/status').read())"
        for namespace, name in pods:
            lines = self.kubectl("exec", "-n", namespace, name, "--", "python", "-c", script).splitlines()
            status = dict(line.split(":", 1) for line in lines if ":" in line)
            held, highest = (int(status[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
            kind = "operator" if namespace == OPERATOR_NAMESPACE else what
            print(f"memory of {kind:<48} {held:.0f} MiB, highest {highest:.0f} MiB", flush=True)
            self.results[f"memory of {kind}"] = {"resident": held, "highest": highest}

    def rollout(self, first, second, rows):
        """Stage changes and rollbacks: rollouts of the second run, each aborted at 50 %."""
        self.apply(first)
        found = Objects(self.custom.list_namespaced_custom_object, *SGM)
        found.wait(lambda one: "candidate" in self.status(one))
        self.traffic = Traffic(rows=rows, token=self.token, rate=200, addresses=self.installation.ready_pods)
        self.traffic.start()
        self.promote()
        found.wait(lambda one: self.status(one).get("phase") == "Promoted" and self.confirmed(one))
        for number in range(self.rounds):
            since = len(found.seen)
            if number == 0:
                self.apply(second)
            else:
                self.serin("retry", NAME, "--reason", "benchmark")
            found.wait(lambda one: self.percent(one) == 50 and self.confirmed(one), since=since)
            self.serin("abort", NAME, "--reason", "benchmark")
            found.wait(lambda one: self.status(one)["phase"] == "RolledBack" and self.confirmed(one), since=since)
        raised, withdrawn = self.times(found)
        self.keep("every pod serves a stage after it was decided", raised, 1)
        self.keep("every pod confirms a rollback after it was decided", withdrawn, 2)
        self.memory("server with two runs")

    @staticmethod
    def status(found):
        """Return the whole status."""
        return expanded(found.get("status", {}))

    def confirmed(self, found):
        """Return whether every pod has confirmed the routing."""
        return self.status(found)["propagation"]["confirmed"]

    def percent(self, found):
        """Return the candidate's percent of users."""
        return (self.status(found).get("candidate") or {}).get("percent")

    def times(self, objects):
        """Return the seconds from each revision of the routing to its last confirmation.

        The first stage, in shadow, is left out: pods confirm it once they have loaded the run.
        """
        took, is_withdrawal = {}, {}
        for _, _, found in objects.seen:
            status = self.status(found)
            now = status.get("propagation") or {}
            is_shadow = status.get("phase") == "Shadow"
            if now.get("confirmed") and now.get("confirmedAt") and now.get("since") and not is_shadow:
                began, ended = (datetime.fromisoformat(now[key]) for key in ("since", "confirmedAt"))
                took.setdefault(now["revision"], (ended - began).total_seconds())
                is_withdrawal.setdefault(now["revision"], status["phase"] == "RolledBack")
        raised = [seconds for revision, seconds in took.items() if not is_withdrawal[revision]]
        return raised, [seconds for revision, seconds in took.items() if is_withdrawal[revision]]

    def update(self):
        """Rolling updates at 300 requests per second."""
        self.traffic.stop()
        address = self.core.read_namespaced_service(NAME, NAMESPACE).spec.cluster_ip
        answers, took = Counter(), []
        for number in range(UPDATES):
            with load(f"http://{address}/agent/suggestions", self.traffic.rows, self.token) as counted:
                time.sleep(5)
                began = time.monotonic()
                limits = {"limits": {"memory": f"{900 + number}Mi"}}
                patch = json.dumps([{"op": "add", "path": "/spec/server/resources", "value": limits}])
                generation = self.custom.get_namespaced_custom_object(*SGM, NAME)["metadata"]["generation"]
                self.kubectl("patch", "sgm", NAME, "-n", NAMESPACE, "--type=json", "-p", patch)
                observed = f"jsonpath={{.status.observedGeneration}}={generation + 1}"
                self.kubectl("wait", "sgm", NAME, "-n", NAMESPACE, f"--for={observed}", "--timeout=60s")
                self.kubectl("rollout", "status", f"deployment/{NAME}", "-n", NAMESPACE, "--timeout=180s")
                took.append(time.monotonic() - began)
                time.sleep(8)  # until the old pods have gone
            answers += counted
        failed = {status: many for status, many in answers.items() if status != 200}
        print(f"rolling updates at {REQUESTS_PER_SECOND} requests/s: {answers.total()} requests, lost: {failed or 0}")
        self.results["requests lost in rolling updates"] = {"lost": failed, "requests": answers.total(), "limit": 0}
        self.keep("rolling update of two pods under load", took)


@contextmanager
def load(url, rows, token):
    """Send requests of one transaction at a steady rate over kept connections, and count the answers by status."""
    answers, over = Counter(), threading.Event()

    async def send(session, row):
        transaction = {key: row[key] for key in ("txn_id", "user_id", "timestamp", "merchant", "description")}
        body = {"transactions": [transaction | {"amount": float(row["amount"])}]}
        try:
            async with session.post(url, json=body) as answer:
                await answer.read()
                answers[answer.status] += 1
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            answers[type(error).__name__] += 1

    async def steady():
        timeout, headers = aiohttp.ClientTimeout(total=10), {"Authorization": f"Bearer {token}"}
        connector = aiohttp.TCPConnector(limit=32)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
            running, due = set(), asyncio.get_running_loop().time()
            for row in cycle(rows):
                if over.is_set():
                    break
                task = asyncio.create_task(send(session, row))
                running.add(task)
                task.add_done_callback(running.discard)
                due += 1 / REQUESTS_PER_SECOND
                await asyncio.sleep(max(due - asyncio.get_running_loop().time(), 0))
            await asyncio.gather(*running)

    thread = threading.Thread(target=lambda: asyncio.run(steady()))
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()


def train(folder):
    """Return the registry, rules, traffic, and the names of two usual runs and a large one."""
    source = folder / "transactions.csv"
    run(["serin", "generate", "--rows", "8000", "--seed", "3", "--out", str(source)])
    halves, registry, names = data.split(source), folder / "runs", []
    for name, rows in {"first": halves.training, "second": halves.training[: len(halves.training) // 2]}.items():
        data.write(folder / f"{name}.csv", rows)
        command = ["serin", "train", "-o", "json", "--data", str(folder / f"{name}.csv"), "--registry", str(registry)]
        names.append(json.loads(run(command))["run_directory"])
    run(["serin", "rules", "suggest", "--data", str(folder / "first.csv"), "--out", str(folder / "rules.yaml")])
    (small,) = registry.rglob(names[0])
    large = enlarged(small)
    size = sum(path.stat().st_size for path in large.iterdir() if path.suffix in {".txt", ".npy", ".json"})
    print(f"the large run has {size / 1e6:.0f} MB (model, weights, encoder, calibration)", flush=True)
    return registry, (folder / "rules.yaml").read_text(), halves.traffic, [*names, large.name]


def enlarged(small):
    """Copy a run and add words that no transaction has."""
    large = shutil.copytree(small, small.with_name(f"{small.name}9"))
    encoder = json.loads((large / "encoder.json").read_text())
    encoder["words"] += [f"m:word{number}" for number in range(WORDS)]
    (large / "encoder.json").write_text(json.dumps(encoder))
    weights = np.load(large / "weights.npy")
    np.save(large / "weights.npy", np.vstack([weights, np.zeros((WORDS, weights.shape[1]), weights.dtype)]))
    report = json.loads((large / "meta.json").read_text())
    (large / "meta.json").write_text(json.dumps(report | {"run_directory": large.name}))
    manifest = json.loads((large / "manifest.json").read_text())
    manifest["run"] = large.name
    for name in ("encoder.json", "meta.json", "weights.npy"):
        content = (large / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    (large / "manifest.json").write_text(json.dumps(manifest))
    run(["serin", "runs", "verify", large.name, "--registry", str(small.parent.parent)])
    return large


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50, help="rollouts, each rolled back at 50 %%")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="serin-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # pods have another user
        registry, rules, rows, (first, second, large) = train(folder)
        with start_node(directory=folder / "node") as node, node.network():
            node.import_images([IMAGES / f"serin-{one}.tar" for one in ("operator", "server")])
            bench = Bench(node, folder / "work", options.rounds)
            bench.operator()
            bench.installation.prepare(registry=registry, rules=rules, token=bench.token)
            bench.servers(large)
            bench.rollout(first, second, rows)
            bench.update()
            if options.json:
                options.json.write_text(json.dumps(bench.results, indent=1) + "\n")


if __name__ == "__main__":
    main()
