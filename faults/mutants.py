"""The product with one error built in, in a storm: the checker has to find what it breaks.

An error of the operator is patched in before its `main`, one of the server before this process starts its pods.
"""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from faults import operators
from faults.checker import check
from faults.history import read
from faults.plan import Plan
from faults.storm import record

SECONDS = 30.0
SETTLE = 15.0
"""A product with an error may never come to an end."""


@dataclass(frozen=True)
class Mutant:
    """An error, and the promise that it breaks."""

    name: str
    patch: str
    promise: str
    pauses: Mapping[str, float]
    is_server: bool = False
    pods: int = 2


_CALM: Mapping[str, float] = {}
MUTANTS = (
    Mutant(
        "steps without soak",
        "from serin_core.rollout import promotion; promotion.has_soaked = lambda *_: True",
        "no step is early",
        _CALM,
    ),
    Mutant(
        "stages that wait for no pod",
        "from serin_core.rollout import protocol\n"
        "protocol.is_confirmed = lambda _context: True\n"
        "protocol.has_loaded = lambda _pod, _wanted: True\n"
        "object.__setattr__(protocol.PROTOCOL, 'is_confirmed', protocol.is_confirmed)",
        "nothing moves forward without confirmation by every pod",
        {"pods frozen for long": 5},
        pods=4,
    ),
    Mutant(
        "gates that never fail",
        "from serin_core.rollout.protocol import Context\n"
        "Context.has_passed = property(lambda self: True)\n"
        "Context.failed_gates = property(lambda self: ())",
        "every gate passes before a step",
        _CALM,
    ),
    Mutant(
        "steps while paused",
        "from serin_core.rollout.protocol import Context\nContext.is_stopped = property(lambda self: False)",
        "no step while suspended or paused",
        {"people": 0.8},
    ),
    Mutant(
        "requests that act again",
        "from serin_core.rollout import requests\n"
        "requests.unanswered = lambda resource, status: requests.requests_on(resource)",
        "a request acts at most once",
        {"people": 0.8},
    ),
    Mutant(
        "counts that are added at each check",
        "from serin_core.api.gate_status import ProcessCounts\n"
        "from serin_core.counting import server_counters\n"
        "def merged(seen, kept):\n"
        "    none = ProcessCounts(good=0, total=0)\n"
        "    before = {one: kept.get(one, none) for one in seen}\n"
        "    sums = {one: (before[one].good + new[0], before[one].total + new[1]) for one, new in seen.items()}\n"
        "    return dict(kept) | {one: ProcessCounts(good=good, total=total) for one, (good, total) in sums.items()}\n"
        "server_counters._merged = merged",
        "a gate has the counts of all processes",
        _CALM,
    ),
    Mutant(
        "notifications that are forgotten",
        "from serin_core.rollout import notifications\n"
        "queue = notifications.queue\n"
        "forgets = lambda context: context.status.history[-1:] and context.status.history[-1].event == 'StepAdvanced'\n"
        "notifications.queue = lambda context, *more: context.status if forgets(context) else queue(context, *more)",
        "every transition is notified",
        _CALM,
    ),
    Mutant(
        "a status that is written after the routing",
        "from serin_core.rollout import writes, decide\n"
        "from serin_operator import status_writes\n"
        "async def put(self, ref, decision):\n"
        "    for one in decision.writes:\n"
        "        if status_writes._is_about_routing(one) and not isinstance(one, status_writes.RemovePod):\n"
        "            await self.applier.perform(ref, one, decision.status.propagation.since)\n"
        "    raise status_writes.RefusedError('never')\n"
        "status_writes.StatusWrites._put = put",
        "status is written before routing",
        _CALM,
    ),
    Mutant(
        "pods that go back to an older routing",
        "from serin_server.routing import routing_watcher; routing_watcher.admit = lambda document, **_: None",
        "pods never go back to a lower revision",
        {"people": 0.8, "kubelet": 4, "pods": 3},
        is_server=True,
    ),
    Mutant(
        "a candidate that answers in shadow",
        "from serin_server import suggester; suggester.is_in_share = lambda user, percent: True",
        "only runs of the routing answer",
        _CALM,
        is_server=True,
    ),
    Mutant(
        "transactions that count twice",
        "from serin_server import suggester\n"
        "count = suggester._count\n"
        "def twice(decision, counts):\n"
        "    count(decision, counts)\n"
        "    counts.requests[True] += 1\n"
        "suggester._count = twice",
        "evidence is what the servers have counted",
        _CALM,
        is_server=True,
    ),
    Mutant(
        "users who move",
        "from serin_server.routing import serving_state\n"
        "import random\n"
        "serving_state.seed = lambda salt: random.getrandbits(64)",
        "who is in the canary stays in it",
        _CALM,
        is_server=True,
    ),
)


def run_mutant(name: str) -> int:
    """Run the storm of one mutant in this process; return 0 if the checker has found it."""
    mutant = next(one for one in MUTANTS if one.name == name)
    entry = operators.ENTRY
    if mutant.is_server:
        exec(mutant.patch, {})  # noqa: S102 - from this file
    else:
        entry = f"{mutant.patch}\n{entry}"
    plan = Plan(1, SECONDS, replicas=1, models=2, pods=mutant.pods, pauses=mutant.pauses, settle=SETTLE)
    with tempfile.TemporaryDirectory(prefix="serin-mutant-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "history.jsonl"
        asyncio.run(record(plan, file, Path(folder), entry=entry))
        found = {one.promise for one in check(read(file))}
    print(f"{'found' if mutant.promise in found else 'MISSED'}: {name}; broken: {', '.join(sorted(found))}", flush=True)
    return int(mutant.promise not in found)


def run_mutants() -> int:
    """Run all mutants, each in a process of its own; return the exit status."""
    missed = 0
    for one in MUTANTS:
        command = [sys.executable, "-m", "faults", "mutants", "--only", one.name]
        missed += subprocess.run(command, check=False).returncode  # noqa: S603 - this program
    print(f"{len(MUTANTS) - missed} of {len(MUTANTS)} mutants found")
    return int(bool(missed))
