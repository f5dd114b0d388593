"""The processes of a storm: control plane, Prometheus, operators behind their proxies, and the node of server pods."""

import asyncio
import contextlib
import json
import logging
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import aiohttp
import yaml
from aiohttp import web

from faults import operators
from faults.history import History
from faults.pods import Fleet
from faults.proxies import ApiProxy, PrometheusProxy
from faults.recorder import MODELS, Recorder
from serin_core.contract import names
from serin_localcluster.controlplane import ControlPlane, Credentials
from serin_localcluster.node.api import Api, ApiError
from serin_localcluster.programs import find_programs
from serin_localcluster.prometheus import Prometheus
from serin_localcluster.supervisor import reserve_subnet

ROOT = Path(__file__).parents[1]
NAMESPACE = "storm"
DESTINATION = "storm"
SCRAPE_SECONDS = 1.0
WATCHES_SECONDS = 60.0
"""Within which every watch has begun again after a restart of the API server."""
log = logging.getLogger(__name__)


@dataclass
class World:
    """Everything that runs, and how it is reached."""

    api: Api
    """Past all proxies."""
    control_plane: ControlPlane
    prometheus: Prometheus
    prometheus_proxy: PrometheusProxy
    fleet: Fleet
    operators: list[operators.Operator]
    recorder: Recorder
    history: History
    watches_are_new: float = 0.0
    """Time (`time.monotonic`) until which watches may be beginning again, since the API server was restarted."""

    async def restart_prometheus(self, seconds: float, *, keeps_data: bool = True) -> None:
        """Stop Prometheus for a time."""
        await self.prometheus.stop()
        await asyncio.sleep(seconds)
        if not keeps_data:
            shutil.rmtree(self.prometheus.data)
        await self.prometheus.start()

    async def restart_api_server(self, seconds: float) -> None:
        """Kill the API server, and start it again after a time."""
        self.watches_are_new = float("inf")
        await self.control_plane.kill_api_server()
        await asyncio.sleep(seconds)
        await self.control_plane.start_api_server()
        self.watches_are_new = time.monotonic() + WATCHES_SECONDS


@asynccontextmanager
async def running(
    folder: Path, *, history: History, random: Random, replicas: int, rate: int, elects: bool, entry: str
) -> AsyncIterator[World]:
    """Start everything, and end it with the block."""
    async with AsyncExitStack() as stack:
        subnet, lock = reserve_subnet()
        stack.callback(lock.close)
        programs = await asyncio.to_thread(find_programs)
        credentials = Credentials.make(folder / "pki", node_address="127.0.0.1")
        control_plane = ControlPlane(programs, folder, credentials)
        await control_plane.start()
        stack.push_async_callback(control_plane.stop)
        prometheus = Prometheus(
            programs["prometheus"],
            folder / "prometheus",
            kubeconfig=control_plane.kubeconfig,
            scrape_interval_seconds=SCRAPE_SECONDS,
        )
        await prometheus.start()
        stack.push_async_callback(prometheus.stop)
        api = Api(control_plane.kubeconfig)
        stack.push_async_callback(api.close)
        await _install(api)
        recorder = Recorder(api, history)
        receiver = web.Application()
        receiver.add_routes([web.post("/", recorder.receive)])
        runner = web.AppRunner(receiver, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        stack.push_async_callback(runner.cleanup)
        proxy = PrometheusProxy(prometheus.url, history, random, "prometheus")
        await stack.enter_async_context(proxy.serving())
        configuration = {
            "prometheus": {"default": {"url": proxy.url, "timeoutSeconds": 5}},
            "server": {"image": "stand-in"},
            "monitoring": {"podMonitor": "Never"},
            "leaderElection": operators.LEASE if elects else {"enabled": False},
            "notifications": {DESTINATION: {"cloudEvents": {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/"}}},
        }
        found = []
        for number in range(replicas):
            front = ApiProxy(api.server, history, random, f"operator-{number}", tls=_tls(credentials))
            await stack.enter_async_context(front.serving())
            found.append(
                operators.Operator(
                    front.name, folder=folder, proxy=front, configuration=configuration, history=history, entry=entry
                )
            )
        fleet = Fleet(api, folder=folder / "pods", subnet=subnet, rate=rate, history=history, random=random)
        works = (recorder.run, fleet.run, *(one.run for one in found))
        tasks = [asyncio.create_task(_noted(work, history)) for work in works]
        stack.push_async_callback(_end, tasks)
        yield World(api, control_plane, prometheus, proxy, fleet, found, recorder, history)


async def _noted(work: Callable[[], Awaitable[None]], history: History) -> None:
    """Do some work, and record that it has failed."""
    try:
        await work()
    except Exception as error:
        log.exception("%s", work)
        history.add("broken", what=f"{work}: {error}")


async def _end(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _tls(credentials: Credentials) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(credentials.authority.file))
    context.load_cert_chain(credentials.admin.certificate, credentials.admin.key)
    return context


async def _install(api: Api) -> None:
    definition = yaml.safe_load((ROOT / "crds" / "suggestionmodels.yaml").read_text(encoding="utf-8"))
    await api.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    for name in (NAMESPACE, operators.NAMESPACE):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await api.request("POST", "/api/v1/namespaces", body)
    rules = {"metadata": {"name": "rules"}, "data": {names.RULES_KEY: "classes: {}"}}
    tokens = {"metadata": {"name": "tokens"}, "stringData": {"token": "t"}}
    await api.request("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", rules)
    await api.request("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", tokens)
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(ApiError, aiohttp.ClientError, json.JSONDecodeError):
                await api.get(MODELS)
                return
            await asyncio.sleep(0.3)
