"""How long it takes until another operator acts: 20 hand-overs, half after SIGTERM and half after SIGKILL.

    make bench-handovers                                 # 7 minutes
    python benchmarks/handovers.py [--rounds 20] [--json FILE]

Two operators run beside a real API server with one SuggestionModel. The leader gets the signal; then the resource is
changed. A hand-over ends when the other operator has decided about the change, by its status.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import yaml
from kubernetes.aio import client

from serin_core.contract import names
from serin_demo.commands import run
from serin_demo.installation import ROOT
from serin_localcluster.cluster import start_cluster
from serin_localcluster.controlplane import free_port
from serin_operator import connection

LIMITS = {"SIGTERM": 2.0, "SIGKILL": 16.0}
"""Seconds within which another operator has to act."""
PLACE = (names.GROUP, names.VERSION, "default", names.PLURAL)
MODEL = {
    "apiVersion": names.API_VERSION,
    "kind": names.KIND,
    "metadata": {"name": "categories"},
    "spec": {
        "runID": "run_1a2b3c4d_1767225600",
        "registry": {"volume": {"claimName": "registry"}},
        "server": {"token": {"secretName": "tokens"}},
    },
}


class Operator:
    """The process of one operator."""

    def __init__(self, folder, name, kubeconfig):
        self.port, self.log = free_port(), folder / f"{name}.log"
        file = folder / f"{name}.yaml"
        settings = {"prometheus": {}, "server": {"image": "i"}, "host": "127.0.0.1", "port": self.port}
        file.write_text(yaml.safe_dump(settings))
        self.command = [Path(sys.executable).parent / "serin-operator", "--config", file]
        self.environment = {"KUBECONFIG": str(kubeconfig), "POD_NAMESPACE": "default"}
        self.process = None

    def start(self):
        """Start the process; a name of its own is drawn each time, as for a new pod."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=os.environ | self.environment, stderr=log)

    def end(self):
        """End the process."""
        self.process.kill()
        self.process.wait()

    async def leads(self):
        """Return whether it leads; None while it is not ready."""
        url, timeout = f"http://127.0.0.1:{self.port}", aiohttp.ClientTimeout(total=1)
        with suppress(aiohttp.ClientError, TimeoutError):
            async with (
                aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
                session.get(f"{url}/readyz"),
                session.get(f"{url}/metrics") as found,
            ):
                return re.search(r"^serin_operator_leader 1\.0$", await found.text(), re.MULTILINE) is not None
        return None


@asynccontextmanager
async def connected(kubeconfig):
    """Yield the API of custom resources."""
    os.environ["KUBECONFIG"] = str(kubeconfig)
    api = await connection.connect()
    try:
        yield client.CustomObjectsApi(api)
    finally:
        await api.close()


async def until(ask, wanted):
    """Ask until the answer is as wanted."""
    async with asyncio.timeout(60):
        while await ask() is not wanted:  # noqa: ASYNC110 - another process is asked
            await asyncio.sleep(0.02)


async def decided(resources):
    """Return whether the newest spec has been decided about."""
    found = await resources.get_namespaced_custom_object(*PLACE, "categories")
    return found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]


async def measure(kubeconfig, operators, rounds):
    """Return the seconds of each hand-over by signal."""
    took = {"SIGTERM": [], "SIGKILL": []}
    async with connected(kubeconfig) as resources:
        await resources.create_namespaced_custom_object(*PLACE, MODEL)
        leader, standby = operators
        leader.start()
        await until(leader.leads, wanted=True)
        standby.start()
        for number in range(rounds):
            await until(standby.leads, wanted=False)
            await until(lambda: decided(resources), wanted=True)
            name = "SIGTERM" if number % 2 == 0 else "SIGKILL"
            started = time.monotonic()
            leader.process.send_signal(getattr(signal, name))
            change = {"spec": {"runID": f"run_1a2b3c4d_{1767225601 + number}"}}
            await resources.patch_namespaced_custom_object(
                *PLACE, "categories", change, _content_type="application/merge-patch+json"
            )
            await until(lambda: decided(resources), wanted=True)
            took[name].append(time.monotonic() - started)
            leader.process.wait(timeout=30)
            leader, standby = standby, leader
            standby.start()
    return took


def table(took):
    """Return the figures as a table in Markdown."""
    rows = ["| the leader gets | hand-overs | median | highest | limit |", "|---|---|---|---|---|"]
    for name, found in took.items():
        if found:
            median, highest = f"{statistics.median(found):.2f} s", f"{max(found):.2f} s"
            rows.append(f"| {name} | {len(found)} | {median} | {highest} | {LIMITS[name]:g} s |")
    return "\n".join(rows)


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="hand-overs (%(default)s)")
    parser.add_argument("--json", type=Path, help="file for all figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        work = Path(folder)
        cluster = stack.enter_context(start_cluster(directory=work / "cluster", images={}))
        crd = str(ROOT / "crds" / "suggestionmodels.yaml")
        environment = {"KUBECONFIG": str(cluster.kubeconfig)}
        run(["kubectl", "apply", "--server-side", "-f", crd], environment=environment)
        run(["kubectl", "wait", "--for=condition=Established", "-f", crd, "--timeout=50s"], environment=environment)
        operators = [Operator(work, name, cluster.kubeconfig) for name in ("first", "second")]
        for one in operators:
            stack.callback(lambda one=one: one.process and one.end())
        took = asyncio.run(measure(cluster.kubeconfig, operators, arguments.rounds))
    print(table(took))
    if arguments.json:
        arguments.json.write_text(json.dumps(took, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
