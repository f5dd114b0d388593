"""A storm: rollouts of sound and bad runs, and faults of every kind at random moments, until the time is over."""

import asyncio
import itertools
import logging
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from faults import operators, stand_ins, world
from faults.history import History
from faults.people import PATH, People, model
from faults.plan import Plan
from faults.pods import NODES
from faults.proxies import API_FAULTS, PROMETHEUS_FAULTS
from serin_core.api.packing import expanded
from serin_localcluster.node.api import ApiError

KINDS = (stand_ins.SOUND, stand_ins.SOUND, stand_ins.WRONG, stand_ins.FAILING)
RECORDED = ("seed", "seconds", "replicas", "models", "pods", "rate", "elects")
"""What a history says of its plan."""
ROLLOUT_SECONDS = 150.0
"""After which the next run is named, whatever has become of this one."""
log = logging.getLogger(__name__)


class Storm:
    """One storm over a world."""

    def __init__(self, plan: Plan, here: world.World) -> None:
        self._plan, self._world, self._history = plan, here, here.history
        self._numbers = itertools.count(1)
        self._people = People(here, self._random("people"))
        self._is_over = asyncio.Event()
        self._open: set[asyncio.Task[Any]] = set()
        self._tried: Counter[tuple[str, str]] = Counter()
        """Faults of Prometheus, by kind and stage."""

    def _random(self, what: str) -> Random:
        return Random(f"{self._plan.seed} {what}")

    async def run(self) -> None:
        """Let it storm, let it settle, and record how it ended."""
        names = [f"model-{number}" for number in range(self._plan.models)]
        drivers = [asyncio.create_task(self._drive(name)) for name in names]
        kinds: dict[str, Callable[[Random], Awaitable[None]]] = {
            "operator": self._signal_operator,
            "API server": self._break_api,
            "Prometheus": self._break_prometheus,
            "pods": self._break_pod,
            "people": self._act,
            "kubelet": self._stop_kubelet,
            "scrapes": self._miss_scrapes,
            "registry": self._stop_registry,
            "restarts": self._restart,
            "clocks": self._shift_clocks,
            "absence": self._stop_all_operators,
            "pods frozen for long": self._freeze_for_long,
            "nodes": self._lose_node,
        }
        makers = [
            asyncio.create_task(self._keep_on(kind, kinds[kind], pause)) for kind, pause in self._plan.pauses.items()
        ]
        await asyncio.sleep(self._plan.seconds)
        self._is_over.set()
        await asyncio.gather(*makers)
        await asyncio.gather(*self._open, return_exceptions=True)
        self._history.add("calm")
        for one in self._world.operators:
            one.send(signal.SIGCONT)
        problem = ""
        try:
            async with asyncio.timeout(self._plan.settle):
                await asyncio.gather(*drivers)
                await self._wait(lambda: all(map(_has_settled, self._world.recorder.models.values())))
        except TimeoutError:
            problem = f"not over {self._plan.settle:g} s after the last fault"
            for driver in drivers:
                driver.cancel()
            await asyncio.gather(*drivers, return_exceptions=True)
        # What is under way is recorded.
        await asyncio.sleep(2)
        for operator in self._world.operators:
            for line in operator.tracebacks():
                self._history.add("traceback", name=operator.name, line=line)
        hits = {one.name: one.hits for one in (*(o.proxy for o in self._world.operators), self._world.prometheus_proxy)}
        self._history.add("settled", problem=problem, hits=hits)

    async def _keep_on(self, kind: str, work: Callable[[Random], Awaitable[None]], pause: float) -> None:
        random = self._random(kind)
        while not self._is_over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_over.wait(), random.expovariate(1 / pause))
                return
            task = asyncio.create_task(self._guarded(kind, work, random))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _guarded(self, kind: str, work: Callable[[Random], Awaitable[None]], random: Random) -> None:
        try:
            await work(random)
        except Exception:
            log.exception("a fault of %s", kind)
            self._history.add("broken", what=f"fault of {kind}")

    @asynccontextmanager
    async def _fault(self, of: str, what: str, on: str, seconds: float, **more: Any) -> AsyncIterator[None]:
        """Record a fault that lasts for a time, at most to the end of the storm; the block begins it."""
        self._history.add("fault", of=of, what=what, on=on, seconds=round(seconds, 1), **more)
        yield
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_over.wait(), seconds)
        self._history.add("fault over", of=of, what=what, on=on)

    # --- rollouts ---

    async def _drive(self, name: str) -> None:
        random = self._random(name)
        kind = stand_ins.SOUND
        while True:
            run = stand_ins.run_id(kind, next(self._numbers))
            self._history.add("wanted", name=name, run=run, sound=stand_ins.is_sound(run))
            await self._name(name, run, random)
            deadline = time.monotonic() + ROLLOUT_SECONDS
            while not self._has_ended(name, run) and (self._is_over.is_set() or time.monotonic() < deadline):
                await asyncio.sleep(0.2)
                if self._is_over.is_set() and self._is_paused(name):
                    await self._people.resume(name)
                elif self._is_waiting(name):
                    await self._people.approve(name)
            if self._is_over.is_set():
                return
            self._history.add("rolled out", name=name, run=run, ended=self._has_ended(name, run))
            kind = random.choice(KINDS)
            await asyncio.sleep(random.choice((0, 0, 3)))

    async def _name(self, name: str, run: str, random: Random) -> None:
        bake = random.choice(["0s", "0s", "2s"])
        is_approved, has_query = random.random() < 0.3, random.random() < 0.5  # noqa: PLR2004
        while True:
            try:
                if name in self._world.recorder.models:
                    await self._world.api.merge(f"{PATH}/{name}", {"spec": {"runID": run, "bake": {"duration": bake}}})
                else:
                    body = model(
                        name, run, pods=self._plan.pods, bake=bake, is_approved=is_approved, has_query=has_query
                    )
                    await self._world.api.request("POST", PATH, body)
            except ApiError:
                await asyncio.sleep(0.5)
            else:
                return

    def _has_ended(self, name: str, run: str) -> bool:
        live = self._world.recorder.models.get(name)
        if live is None or live["spec"]["runID"] != run or "status" not in live:
            return False
        status = expanded(live["status"])
        candidate, stable = status.get("candidate") or {}, status.get("stable") or {}
        if stable.get("runID") == run:
            return True
        return candidate.get("runID") == run and candidate.get("state") in ("RolledBack", "Refused")

    def _is_paused(self, name: str) -> bool:
        """Return whether a pause is left over that nobody resumes any more."""
        return expanded(self._world.recorder.models.get(name, {}).get("status", {})).get("phase") == "Paused"

    def _is_waiting(self, name: str) -> bool:
        conditions = self._world.recorder.models.get(name, {}).get("status", {}).get("conditions", [])
        return any(one["reason"] == "AwaitingApproval" for one in conditions)

    async def _wait(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await asyncio.sleep(0.2)

    # --- faults ---

    async def _act(self, _random: Random) -> None:
        await self._people.act()

    async def _signal_operator(self, random: Random) -> None:
        one = random.choice(self._world.operators)
        if one.is_away:
            return
        match random.choices(("KILL", "TERM", "STOP"), (7, 2, 2))[0]:
            case "STOP":
                seconds = random.uniform(0.5, 9)
                async with self._fault("operator", "STOP", one.name, seconds):
                    one.send(signal.SIGSTOP)
                one.send(signal.SIGCONT)
            case name:
                if one.send(getattr(signal, f"SIG{name}")):
                    self._history.add("fault", of="operator", what=name, on=one.name)

    async def _stop_all_operators(self, random: Random) -> None:
        """Leave all pods without an operator for longer than the supervision timeout."""
        if any(one.is_away for one in self._world.operators):
            return
        async with self._fault("operator", "all STOP", "operators", random.uniform(70, 80)):
            for one in self._world.operators:
                one.send(signal.SIGSTOP)
                one.is_away = True
        for one in self._world.operators:
            one.is_away = False
            one.send(signal.SIGCONT)

    async def _break_api(self, random: Random) -> None:
        fronts = [one.proxy for one in self._world.operators if random.random() < 0.7]  # noqa: PLR2004
        kind = random.choice(API_FAULTS)
        share = random.choice((0.05, 0.3, 1.0)) if kind not in ("lost", "409") else 0.3
        for one in fronts:
            if one.fault:
                continue
            async with self._fault("API server", kind, one.name, random.uniform(1, 12)):
                one.fault, one.share = kind, share
            one.fault = ""

    async def _break_prometheus(self, random: Random) -> None:
        proxy = self._world.prometheus_proxy
        if proxy.fault:
            return
        stages = sorted({name for live in self._world.recorder.models.values() if (name := _stage(live))})
        kinds = random.sample(PROMETHEUS_FAULTS, len(PROMETHEUS_FAULTS))
        # Each is to happen in each stage: the one that has happened least in these.
        kind = min(kinds, key=lambda one: sum(self._tried[one, stage] for stage in stages))
        self._tried.update((kind, stage) for stage in stages)
        async with self._fault("Prometheus", kind, proxy.name, random.uniform(2, 15), stages=stages):
            proxy.fault, proxy.share = kind, random.choice((0.5, 1.0))
        proxy.fault = ""

    async def _break_pod(self, random: Random) -> None:
        pods = [pod for pod in self._world.fleet.serving() if not pod.is_away]
        if not pods:
            return
        pod = random.choice(pods)
        name = pod.place[1]
        match random.choice(("kill", "kill", "freeze", "freeze", "delete", "out of memory", "evict")):
            case "kill":
                self._history.add("fault", of="pods", what="KILL", on=name)
                await self._world.fleet.kill(pod)
            case "out of memory":
                self._history.add("fault", of="pods", what="out of memory", on=name)
                await self._world.fleet.kill(pod, reason="OOMKilled")
            case "evict":
                self._history.add("fault", of="pods", what="evicted", on=name)
                await self._world.fleet.evict(pod)
            case "delete":
                self._history.add("fault", of="pods", what="deleted", on=name)
                await self._world.fleet.delete(pod)
            case _:
                async with self._fault("pods", "frozen", name, random.uniform(1, 10)):
                    pod.is_frozen = True
                pod.is_frozen = False

    async def _freeze_for_long(self, random: Random) -> None:
        pods = [pod for pod in self._world.fleet.serving() if not pod.is_frozen]
        if pods:
            pod = random.choice(pods)
            async with self._fault("pods", "frozen", pod.place[1], 40):
                pod.is_frozen = True
            pod.is_frozen = False

    async def _lose_node(self, random: Random) -> None:
        if self._world.fleet.lost:
            return
        node = random.choice(NODES)
        async with self._fault("nodes", "lost and back", node, random.uniform(5, 40)):
            await self._world.fleet.lose_node(node)
        await self._world.fleet.return_node(node)

    async def _stop_kubelet(self, random: Random) -> None:
        async with self._fault("kubelet", "mounts nothing", world.NAMESPACE, random.uniform(3, 20)):
            self._world.fleet.is_refreshing = False
        self._world.fleet.is_refreshing = True

    async def _miss_scrapes(self, random: Random) -> None:
        async with self._fault("Prometheus", "misses scrapes", world.NAMESPACE, random.uniform(2, 15)):
            self._world.fleet.misses_scrapes = True
        self._world.fleet.misses_scrapes = False

    async def _stop_registry(self, random: Random) -> None:
        registry = self._world.fleet.registry
        if random.random() < 0.5:  # noqa: PLR2004
            async with self._fault("registry", "away", world.NAMESPACE, random.uniform(3, 15)):
                registry.is_away = True
            registry.is_away = False
        else:
            async with self._fault("registry", "slow", world.NAMESPACE, random.uniform(3, 15)):
                registry.seconds = random.uniform(0.5, 5)
            registry.seconds = 0.0

    async def _restart(self, random: Random) -> None:
        match random.choice(("API server", "Prometheus", "data")):
            case "API server":
                self._history.add("fault", of="API server", what="killed and restarted", on="API server")
                await self._world.restart_api_server(random.uniform(0, 5))
            case "Prometheus":
                self._history.add("fault", of="Prometheus", what="restarted", on="Prometheus")
                await self._world.restart_prometheus(random.uniform(0, 10))
            case _:
                self._history.add("fault", of="Prometheus", what="restarted without its data", on="Prometheus")
                await self._world.restart_prometheus(random.uniform(0, 3), keeps_data=False)

    async def _shift_clocks(self, random: Random) -> None:
        front = random.choice([one.proxy for one in self._world.operators])
        seconds = random.choice((-20, -5, 5, 20))
        async with self._fault("clocks", f"API server {seconds:+d} s", front.name, random.uniform(5, 30)):
            front.clock = timedelta(seconds=seconds)
        front.clock = timedelta()


def _stage(live: dict[str, Any]) -> str:
    """Return what the stage of a resource is called on the page, "" without one."""
    candidate = expanded(live.get("status", {})).get("candidate") or {}
    if candidate.get("state") != "Running":
        return ""
    return "bake" if candidate.get("bake") else f"{candidate.get('percent', 0):g} %"


def _has_settled(live: dict[str, Any]) -> bool:
    status = expanded(live.get("status", {}))
    is_confirmed = (status.get("propagation") or {}).get("confirmed", False)
    return bool(is_confirmed) and not (status.get("notifications") or {}).get("waiting")


async def record(plan: Plan, file: Path, folder: Path, *, entry: str = operators.ENTRY) -> None:
    """Run a storm in a new folder, and write its history."""
    history = History(file)
    history.add(
        "plan",
        **{name: getattr(plan, name) for name in ("seed", "seconds", "replicas", "models", "pods", "rate", "elects")},
    )
    random = Random(f"{plan.seed} processes")
    try:
        async with world.running(
            folder,
            history=history,
            random=random,
            replicas=plan.replicas,
            rate=plan.rate,
            elects=plan.elects,
            entry=entry,
        ) as here:
            await Storm(plan, here).run()
    finally:
        history.close()
