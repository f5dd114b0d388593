"""A local cluster with the operator and the simulated pods, and what the benchmark does with it."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from readings import (
    Reading,
    children,
    count_requests,
    cpu_seconds,
    fetch,
    last_checks,
    samples,
    total,
)
from resources import PLACE, run_id, suggestion_model, surroundings

from serin_core.api.packing import expanded
from serin_demo.installation import OPERATOR_NAMESPACE, ROOT, Installation
from serin_localcluster.cluster import OWN_IMAGES, running_state, start_cluster
from serin_localcluster.node.api import Api
from serin_localcluster.processes import die_with_parent

AT_ONCE = 16
SCRAPE_SECONDS = 15
INTERVAL = 30
"""Seconds between two checks of a resource."""
SETTLE_SECONDS = 20
"""Seconds after the last resource has been judged, before something is measured."""
PATIENCE = 1200.0
_PATH = "/apis/{}/{}/namespaces/{}/{}".format(*PLACE)
_OPERATOR = "deployment/serin-operator"


class Bench:
    """One cluster under measurement."""

    def __init__(self, cluster, installation, folder):
        self._cluster, self._installation, self._folder = cluster, installation, folder
        self._api, self._fleet = Api(cluster.kubeconfig), None
        self._took = 0.0
        self._supervisor = running_state(cluster.directory)["pid"]

    async def __aenter__(self):
        """Start the simulated pods."""
        number = json.loads((self._cluster.directory / "ready.json").read_text())["subnet"].rpartition(".")[2]
        program = Path(__file__).with_name("fleet.py")
        subnet = f"127.{100 + int(number) % 100}"
        argv = [sys.executable, program, "--kubeconfig", self._cluster.kubeconfig, "--subnet", subnet]
        with (self._folder / "fleet.log").open("wb") as log:
            self._fleet = subprocess.Popen(argv, stdout=log, stderr=log, preexec_fn=die_with_parent)  # noqa: ASYNC220, PLW1509
        self._installation.apply(*surroundings())
        return self

    async def __aexit__(self, *_error):
        """Stop the simulated pods."""
        await self._api.close()
        self._fleet.terminate()
        self._fleet.wait(timeout=20)

    # --- resources ---

    async def create(self, names, **settings):
        """Create SuggestionModels."""
        free = asyncio.Semaphore(AT_ONCE)

        async def one(number, name):
            async with free:
                await self._api.request("POST", _PATH, suggestion_model(name, run_id=run_id(number), **settings))

        await asyncio.gather(*(one(number, name) for number, name in enumerate(names)))

    async def set_run(self, name, run):
        """Let a SuggestionModel try another run."""
        await self._api.merge(f"{_PATH}/{name}", {"spec": {"runID": run}})

    async def resources(self):
        """Return all SuggestionModels, by name."""
        began = time.monotonic()
        found = await self._api.get(_PATH)
        self._took = time.monotonic() - began
        return {one["metadata"]["name"]: one for one in found["items"]}

    async def wait_for_judgement(self, names, percent=10.0):
        """Wait until the gates of all these resources have been judged with this percent of users; return how long."""
        began = time.monotonic()
        while True:
            found = await self.resources()
            waiting = [name for name in names if not _is_judged(found.get(name, {}), percent)]
            if not waiting:
                return time.monotonic() - began
            if time.monotonic() - began > PATIENCE:
                raise TimeoutError(f"{len(waiting)} resources are not judged: {found[waiting[0]].get('status')}")
            await self.pause()

    async def pause(self):
        """Wait between two looks at all resources, so long that looking is little of what the API server does."""
        await asyncio.sleep(max(2.0, 5 * self._took))

    def toggle_traffic(self):
        """Stop the traffic that the counters of the pods show, or start it again."""
        self._fleet.send_signal(signal.SIGUSR1)

    # --- the operator ---

    def operators(self):
        """Return process id and address of each operator that runs, the leader first."""
        found = json.loads(self._installation.kubectl("get", "pods", "-n", OPERATOR_NAMESPACE, "-o", "json"))["items"]
        running = [
            (pid, pod["status"]["podIP"])
            for pod in found
            for pid in self._cluster.pod_process_ids(OPERATOR_NAMESPACE, pod["metadata"]["name"])
        ]
        return sorted(running, key=lambda one: total(_metrics_at(one[1]), "serin_operator_leader"), reverse=True)

    def scale_operators(self, replicas):
        """Stop or start operators, and wait for them."""
        self._installation.kubectl("scale", _OPERATOR, "-n", OPERATOR_NAMESPACE, f"--replicas={replicas}")
        self._installation.kubectl("rollout", "status", _OPERATOR, "-n", OPERATOR_NAMESPACE, "--timeout=180s")
        while len(self.operators()) > replicas:
            time.sleep(0.2)

    def leader_metrics(self):
        """Return the text of the leader's metrics, "" where no operator runs."""
        running = self.operators()
        return _metrics_at(running[0][1]) if running else ""

    def last_checks(self):
        """Return the Unix time of the last check of each resource."""
        return last_checks(self.leader_metrics())

    # --- measurement ---

    def read(self):
        """Return a reading without CPU times."""
        api, leader = self._installation.kubectl("get", "--raw", "/metrics"), self.leader_metrics()
        prometheus = fetch(f"{self._cluster.prometheus_url}/metrics")
        found = Reading(
            at=0.0,
            requests=count_requests(api),
            of_operator=total(api, "apiserver_flowcontrol_dispatched_requests_total", flow_schema="service-accounts"),
            queries=total(prometheus, "prometheus_http_requests_total", handler="/api/v1/query"),
        )
        for labels, value in samples(leader, "serin_operator_reconcile_total"):
            found.passes[labels["result"]] += value
        return found

    def programs(self):
        """Return the process ids of everything that runs, by name."""
        operators = {name: pid for name, (pid, _) in zip(("operator", "standby"), self.operators(), strict=False)}
        return children(self._supervisor) | {"fleet": self._fleet.pid} | operators

    @staticmethod
    def _with_cpu(found, programs):
        found.cpu.update({name: cpu_seconds(pid) for name, pid in programs.items()})
        found.at = time.monotonic()
        return found

    async def window(self, seconds):
        """Return what happens in a time in which nothing is done from outside; readings cost none of its CPU time."""
        before, programs = self.read(), self.programs()
        self._with_cpu(before, programs)
        await asyncio.sleep(seconds)
        cpu = self._with_cpu(Reading(at=0.0), programs)
        after = self.read()
        after.cpu, after.at = cpu.cpu, cpu.at
        return after.since(before)


@contextlib.asynccontextmanager
async def running_bench(work, *, name, operators, images=OWN_IMAGES):
    """Start a cluster with this many operators, and end it; its files and logs are in a directory of `work`."""
    overlay = ROOT / ".demo" / f"scale-{os.getpid()}"  # kustomize takes only resources at a relative path
    try:
        with start_cluster(directory=work / name, images=images, scrape_interval_seconds=SCRAPE_SECONDS) as cluster:
            installation = Installation(kubeconfig=cluster.kubeconfig, directory=overlay)
            installation.install_operator(prometheus_url=cluster.prometheus_url, timeout="180s")
            async with Bench(cluster, installation, work) as bench:
                bench.scale_operators(operators)
                yield bench
    finally:
        shutil.rmtree(overlay, ignore_errors=True)


def lateness(bench):
    """Return by how many seconds the last check of any resource is older than it may be."""
    return max(0.0, time.time() - min(bench.last_checks().values()) - INTERVAL)


def show(text):
    """Show progress."""
    sys.stderr.write(f"{datetime.now().astimezone():%H:%M:%S} {text}\n")
    sys.stderr.flush()


def _is_judged(resource, percent):
    status = expanded(resource.get("status", {}))
    candidate, gates = status.get("candidate") or {}, status.get("gates") or []
    return candidate.get("percent") == percent and any(gate.get("total") for gate in gates)


def _metrics_at(address):
    with contextlib.suppress(OSError):
        return fetch(f"http://{address}:8081/metrics")
    return ""


def settings_of_machine():
    """Return what a reader needs to know of the machine."""
    return {"cores": os.cpu_count(), "load average": os.getloadavg()[0], "python": sys.version.split()[0]}
