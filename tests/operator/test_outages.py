"""The operator's process while a real API server is away, or while something in front of it refuses every request."""

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
import yaml
from api_proxy import REFUSALS, Proxy

from serin_core.api.packing import expanded
from serin_localcluster.controlplane import ControlPlane, Credentials, free_port
from serin_localcluster.pki import write_kubeconfig
from serin_localcluster.programs import find_programs

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SECONDS = float(os.environ.get("SERIN_TEST_OUTAGE_SECONDS", "20"))
"""How long the API server is away; longer than the heartbeat's interval."""
AT_ONCE = 15
MODEL = {
    "apiVersion": "serin.dev/v1alpha1",
    "kind": "SuggestionModel",
    "metadata": {"name": "categories", "namespace": "default"},
    "spec": {
        "runID": "run_1a2b3c4d_1767225600",
        "registry": {"volume": {"claimName": "registry"}},
        "server": {"token": {"secretName": "tokens"}},
    },
}


class Operator:
    """The operator's process, and a user with kubectl."""

    def __init__(self, folder, kubeconfig, control_plane):
        self.port, self.log, self.control_plane = free_port(), folder / "operator.log", control_plane
        config = {"prometheus": {}, "server": {"image": "i"}, "host": "127.0.0.1", "port": self.port}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [BIN / "serin-operator", "--config", folder / "config.yaml"],
                env=os.environ | {"KUBECONFIG": str(kubeconfig)},
                stderr=log,
            )

    def kubectl(self, *arguments, text=None):
        command = [BIN / "kubectl", "--kubeconfig", self.control_plane.kubeconfig, *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout

    def apply(self, **changes):
        self.kubectl("apply", "-f", "-", text=json.dumps(MODEL | {"spec": MODEL["spec"] | changes}))

    async def ready(self):
        with suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}/readyz") as found:
                return found.status, await found.text()
        return None, ""

    async def wait(self, holds, *, seconds=60):
        """Wait until `holds()`, and return the seconds that it took."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            found = holds()
            if await found if asyncio.iscoroutine(found) else found:
                return time.monotonic() - start
            await asyncio.sleep(0.2)
        return pytest.fail(f"not within {seconds} s; the log ends: {self.log.read_text()[-3000:]}")

    async def wait_until_ready(self):
        async def is_ready():
            return (await self.ready())[0] == 200

        await self.wait(is_ready)

    async def wait_until_decided(self, *, seconds=60):
        """Wait until the newest spec has been worked on."""

        def is_decided():
            found = json.loads(self.kubectl("get", "sgm", "categories", "-o", "json"))
            return found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]

        return await self.wait(is_decided, seconds=seconds)

    def close(self):
        self.process.terminate()
        try:
            assert self.process.wait(timeout=20) == 0
        finally:
            self.process.kill()


@asynccontextmanager
async def cluster(folder):
    credentials = Credentials.make(folder / "pki", node_address="127.0.0.1")
    control_plane = ControlPlane(find_programs(), folder, credentials)
    try:
        await control_plane.start()
        yield control_plane, credentials
    finally:
        await control_plane.stop()


@asynccontextmanager
async def operator(folder, control_plane, kubeconfig):
    made = Operator(folder, kubeconfig, control_plane)
    try:
        # It starts before there is a CRD, and has to notice it.
        await asyncio.sleep(2)
        made.kubectl("apply", "--server-side", "-f", str(ROOT / "crds" / "suggestionmodels.yaml"))
        await made.wait_until_ready()
        made.apply()
        await made.wait_until_decided()
        yield made
    finally:
        made.close()


def test_an_operator_goes_on_at_once_when_a_killed_api_server_is_back(tmp_path):
    async def play():
        async with (
            cluster(tmp_path) as (control_plane, _),
            operator(tmp_path, control_plane, control_plane.kubeconfig) as made,
        ):
            await control_plane.kill_api_server()
            await asyncio.sleep(SECONDS)
            assert made.process.poll() is None
            await control_plane.start_api_server()
            made.apply(runID="run_1a2b3c4d_1767225601")
            await made.wait_until_decided(seconds=AT_ONCE)
            assert (await made.ready())[0] == 200
            return made.log.read_text()

    log = asyncio.run(play())
    assert log.count("cannot be listed") <= 6 + SECONDS / 30, log
    assert "ERROR" not in log, log


def test_an_operator_outlives_every_refusal_and_goes_on_before_the_pause_that_it_was_asked_for(tmp_path):
    async def play():
        async with cluster(tmp_path) as (control_plane, credentials):
            proxy = Proxy(control_plane, credentials)
            async with proxy.serving() as url:
                kubeconfig = write_kubeconfig(tmp_path / "proxied", name="proxied", cluster={"server": url}, user={})
                async with operator(tmp_path, control_plane, kubeconfig) as made:
                    for status in REFUSALS:
                        proxy.refuse(status)
                        await asyncio.sleep(SECONDS / 3)
                        assert made.process.poll() is None
                    proxy.status = None
                    made.apply(runID="run_1a2b3c4d_1767225601")
                    took = await made.wait_until_decided(seconds=AT_ONCE)
                    return proxy.refused, took, made.log.read_text()

    refused, _, log = asyncio.run(play())
    # Seven watches, a heartbeat and a resource that is tried again.
    assert refused < 10 * len(REFUSALS) * SECONDS / 3
    assert "ERROR" not in log, log


def test_three_outages_each_delay_a_request_by_no_more_than_themselves(tmp_path):
    """The API server answers every request with 503, three times, with a moment in between."""

    async def play():
        async with cluster(tmp_path) as (control_plane, credentials):
            proxy = Proxy(control_plane, credentials)
            async with proxy.serving() as url:
                kubeconfig = write_kubeconfig(tmp_path / "proxied", name="proxied", cluster={"server": url}, user={})
                async with operator(tmp_path, control_plane, kubeconfig) as made:
                    for number in range(3):
                        proxy.refuse(503)
                        await asyncio.sleep(SECONDS / 4)
                        made.apply(runID=f"run_1a2b3c4d_176722560{number + 1}")
                        await asyncio.sleep(SECONDS / 4)
                        proxy.status = None
                        await made.wait_until_decided(seconds=AT_ONCE)
                        await made.wait_until_ready()
                    assert made.process.poll() is None
                    found = json.loads(made.kubectl("get", "sgm", "categories", "-o", "json"))
                    return found, made.log.read_text()

    found, log = asyncio.run(play())
    assert expanded(found["status"])["candidate"]["runID"] == "run_1a2b3c4d_1767225603"
    assert "ERROR" not in log, log
