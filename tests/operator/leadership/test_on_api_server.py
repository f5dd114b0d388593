"""Two operators beside a real API server: one ends, is killed, is stopped or loses its Lease; the other takes over."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest
import yaml
from api_proxy import Proxy
from beside_cluster import is_established

from serin_core.contract import names
from serin_core.kubernetes.label_selector import LabelSelector
from serin_localcluster.controlplane import ControlPlane, Credentials, free_port
from serin_localcluster.pki import write_kubeconfig
from serin_localcluster.programs import find_programs

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
BUSY = 1.5
"""Seconds that a busy machine may add to what is promised."""
MODEL = {
    "apiVersion": names.API_VERSION,
    "kind": names.KIND,
    "metadata": {"name": "categories", "namespace": "default"},
    "spec": {
        "runID": "run_1a2b3c4d_1767225600",
        "registry": {"volume": {"claimName": "registry"}},
        "server": {"token": {"secretName": "tokens"}},
    },
}


class Operator:
    """The process of one operator, behind a proxy that notes what it writes."""

    def __init__(self, folder, name, proxy, url, **configuration):
        self.name, self.port, self.proxy, self.log = name, free_port(), proxy, folder / f"{name}.log"
        config = {"prometheus": {}, "server": {"image": "i"}, "host": "127.0.0.1", "port": self.port}
        file = folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(config | configuration))
        kubeconfig = write_kubeconfig(folder / f"{name}.kubeconfig", name=name, cluster={"server": url}, user={})
        self.command = [BIN / "serin-operator", "--config", file]
        self.environment = {"KUBECONFIG": str(kubeconfig), "POD_NAME": name, "POD_NAMESPACE": "default"}
        self.start()

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=os.environ | self.environment, stderr=log)

    async def get(self, path):
        timeout, url = aiohttp.ClientTimeout(total=1), f"http://127.0.0.1:{self.port}{path}"
        with suppress(aiohttp.ClientError, TimeoutError):
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as found:
                return found.status, await found.text()
        return None, ""

    async def leads(self):
        _, text = await self.get("/metrics")
        return re.search(r"^serin_operator_leader 1\.0$", text, re.MULTILINE) is not None

    def writes_after(self, moment):
        """Return the writes since then that are not about the Lease itself."""
        return [one for one in self.proxy.writes if one[0] > moment and "/leases" not in one[2]]

    def end(self):
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        finally:
            self.process.kill()


class Cluster:
    """A control plane with the CRD, and a user with kubectl."""

    def __init__(self, folder, control_plane, credentials):
        self.folder, self.control_plane, self.credentials, self.count = folder, control_plane, credentials, 0

    async def kubectl(self, *arguments, text=None):
        command = [str(BIN / "kubectl"), "--kubeconfig", str(self.control_plane.kubeconfig), *arguments]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, error = await process.communicate(None if text is None else text.encode())
        assert process.returncode == 0, error.decode()
        return out.decode()

    async def get(self, *arguments):
        return json.loads(await self.kubectl("get", *arguments, "-n", "default", "-o", "json"))

    async def change(self, name="categories", **metadata):
        """Apply a SuggestionModel with another run than before."""
        self.count += 1
        found = MODEL | {"metadata": MODEL["metadata"] | {"name": name} | metadata}
        found["spec"] = MODEL["spec"] | {"runID": f"run_1a2b3c4d_{1767225600 + self.count}"}
        await self.kubectl("apply", "-f", "-", text=json.dumps(found))

    async def is_served(self):
        return is_established(json.loads(await self.kubectl("get", "crd", "suggestionmodels.serin.dev", "-o", "json")))

    async def is_decided(self, name="categories"):
        found = await self.get("sgm", name)
        return found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]

    async def has_lease(self):
        return bool(await self.kubectl("get", "lease", "serin-operator-leader", "-n", "default", "--ignore-not-found"))

    async def holder(self, lease="serin-operator-leader"):
        return (await self.get("lease", lease))["spec"]["holderIdentity"]

    @asynccontextmanager
    async def operators(self, *names_, **configuration):
        async with AsyncExitStack() as stack:
            made = []
            for name in names_:
                proxy = Proxy(self.control_plane, self.credentials)
                url = await stack.enter_async_context(proxy.serving())
                one = Operator(self.folder, name, proxy, url, **configuration)
                stack.callback(one.end)
                made.append(one)
                await wait(one.get, "/readyz", until=lambda found: found[0] == 200)
            yield made


async def wait(ask, *arguments, until=bool, seconds=60.0):
    """Ask until the answer is as wanted, and return the seconds that it took."""
    started = time.monotonic()
    while not until(await ask(*arguments)):
        assert time.monotonic() - started < seconds, f"{ask} {arguments}"
        await asyncio.sleep(0.05)
    return time.monotonic() - started


@asynccontextmanager
async def cluster(folder):
    credentials = Credentials.make(folder / "pki", node_address="127.0.0.1")
    control_plane = ControlPlane(find_programs(), folder, credentials)
    try:
        await control_plane.start()
        made = Cluster(folder, control_plane, credentials)
        await made.kubectl("apply", "--server-side", "-f", str(ROOT / "crds" / "suggestionmodels.yaml"))
        # `kubectl wait` fails where the CRD has no conditions yet.
        await wait(made.is_served, seconds=50)
        await made.change()
        yield made
    finally:
        await control_plane.stop()


async def act(found, one, since, *, within):
    """Check that an operator leads and has decided about the resource within these seconds since then."""
    await wait(one.leads, until=bool, seconds=within + BUSY)
    await wait(found.is_decided, seconds=within + BUSY)
    took = time.monotonic() - since
    assert took < within + BUSY
    return took


def test_another_operator_takes_over_from_one_that_ends_is_killed_or_is_stopped(tmp_path):
    async def play():
        async with cluster(tmp_path) as found, found.operators("first", "second") as (first, second):
            await act(found, first, time.monotonic(), within=30)
            assert not await second.leads()
            assert second.writes_after(0) == []

            # SIGTERM: the Lease is given back.
            await found.change()
            moment = time.monotonic()
            first.process.terminate()
            await act(found, second, moment, within=2)
            assert first.process.wait(timeout=20) == 0
            assert first.writes_after(moment + 2) == []

            # SIGKILL: the Lease expires.
            first.start()
            await wait(first.get, "/readyz", until=lambda one: one[0] == 200)
            assert not await first.leads()
            moment = time.monotonic()
            second.process.kill()
            await found.change()
            await act(found, first, moment, within=16)

            # A process that is stopped, and goes on after another has taken over.
            second.start()
            await wait(second.get, "/readyz", until=lambda one: one[0] == 200)
            moment = time.monotonic()
            first.process.send_signal(signal.SIGSTOP)
            await found.change()
            await act(found, second, moment, within=16)
            moment = time.monotonic()
            first.process.send_signal(signal.SIGCONT)
            await found.change()
            await wait(first.leads, until=lambda leads: not leads, seconds=5)
            await act(found, second, time.monotonic(), within=5)
            assert first.writes_after(moment) == []
            assert await found.holder() == "second"
            assert (await first.get("/healthz"))[0] == (await first.get("/readyz"))[0] == 200
            return first.log.read_text()

    log = asyncio.run(play())
    lost = "this operator does not lead any more: the Lease default/serin-operator-leader was not renewed in time"
    assert lost in log
    assert "Traceback" not in log


def test_a_lease_that_is_deleted_or_edited_is_survived(tmp_path):
    async def play():
        async with cluster(tmp_path) as found, found.operators("first", "second") as (first, second):
            await act(found, first, time.monotonic(), within=30)
            await found.kubectl("delete", "lease", "serin-operator-leader", "-n", "default")
            await found.change()
            await act(found, first, time.monotonic(), within=5)
            # It leads on, and makes the Lease when it would have renewed it.
            await wait(found.has_lease, seconds=5)
            assert await found.holder() == "first"
            assert not await second.leads()

            patch = json.dumps({"spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 4}})
            await found.kubectl("patch", "lease", "serin-operator-leader", "-n", "default", "--type=merge", "-p", patch)
            await wait(first.leads, until=lambda leads: not leads, seconds=5)
            await found.change()
            await wait(found.is_decided, seconds=15)
            assert await first.leads() != await second.leads()

            # A moment with two leaders: whoever is named second in the Lease works, and no write is lost.
            leader = "first" if await first.leads() else "second"
            other = {"first": "second", "second": "first"}[leader]
            patch = json.dumps({"spec": {"holderIdentity": other}})
            await found.kubectl("patch", "lease", "serin-operator-leader", "-n", "default", "--type=merge", "-p", patch)
            await found.change()
            await wait(found.is_decided, seconds=15)
            await wait({"first": first, "second": second}[other].leads, seconds=15)
            return first.log.read_text() + second.log.read_text()

    assert "Traceback" not in asyncio.run(play())


def time_of(line):
    """Return the time of a line of the log."""
    return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp()  # noqa: DTZ007 - compared with others


def test_one_operator_leads_without_delay_and_again_after_its_container_was_killed(tmp_path):
    async def play():
        async with cluster(tmp_path) as found, found.operators("only") as (only,):
            await wait(only.leads, seconds=30)
            only.process.kill()
            only.process.wait(timeout=10)
            await found.change()
            only.start()
            await wait(only.leads, seconds=60)
            await wait(found.is_decided, seconds=30)
            return only.log.read_text()

    log = asyncio.run(play())
    began = [time_of(line) for line in log.splitlines() if " watching all namespaces" in line]
    led = [time_of(line) for line in log.splitlines() if "this operator leads now" in line]
    # By its own log, since the start of a process takes long on a busy machine. The Lease would hold for 15 s.
    assert [seconds < 5 for seconds in map(float.__sub__, led, began)] == [True, True], log


SELECTORS = [
    "",
    "team=a",
    "team!=a",
    "team in (a,b)",
    "team notin (a,b)",
    "team",
    "!team",
    "team=a,tier!=gold",
    "team=",
]


def test_shards_work_on_what_their_selector_matches_and_hand_over_what_changes(tmp_path):
    async def play():
        async with cluster(tmp_path) as found, AsyncExitStack() as stack:
            a, b = [
                (await stack.enter_async_context(found.operators(f"of-{team}", selector=f"team={team}")))[0]
                for team in ("a", "b")
            ]
            await wait(a.leads, seconds=5)
            await wait(b.leads, seconds=5)
            # Neither name may be a part of the other's objects, whose names end with a hexadecimal hash.
            for name, team in (("groceries", "a"), ("travel", "b")):
                await found.change(name, labels={"team": team})
                await wait(found.is_decided, name, seconds=10)
            leases = await found.get("lease")
            assert len([one for one in leases["items"] if one["spec"]["holderIdentity"] in ("of-a", "of-b")]) == 2

            def writes_about(one, name):
                return [path for _, _, path in one.proxy.writes if name in path]

            assert not writes_about(a, "travel")
            assert not writes_about(b, "groceries")
            assert "categories" not in json.dumps([*a.proxy.writes, *b.proxy.writes])

            children = await found.get("deployment,configmap,service")
            await found.kubectl("label", "sgm", "groceries", "-n", "default", "--overwrite", "team=b")
            await asyncio.sleep(1)
            before = len(writes_about(a, "groceries"))
            await found.change("groceries", labels={"team": "b"})
            await wait(found.is_decided, "groceries", seconds=10)
            assert len(writes_about(a, "groceries")) == before
            assert writes_about(b, "groceries")
            kept = {one["metadata"]["uid"] for one in (await found.get("deployment,configmap,service"))["items"]}
            gone = [one for one in children["items"] if one["metadata"]["uid"] not in kept]
            assert {one["kind"] for one in gone} <= {"ConfigMap"}  # the model of the run before

            # Selectors mean what they mean to the API server.
            await found.change("fuel", labels={"team": "a", "tier": "gold"})
            everything = (await found.get("sgm"))["items"]
            for text in SELECTORS:
                listed = (await found.get("sgm", "-l", text))["items"]
                matched = [
                    one["metadata"]["name"]
                    for one in everything
                    if LabelSelector.parse(text).matches(one["metadata"].get("labels") or {})
                ]
                assert [one["metadata"]["name"] for one in listed] == matched, text

    asyncio.run(play())
