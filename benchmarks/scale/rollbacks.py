"""How long rollbacks take while many other resources are judged: from the verdict until every pod has confirmed.

    python benchmarks/scale/rollbacks.py [--resources 1000] [--models 10] [--pods 20] [--rollbacks 200] [--json FILE]

The other resources stay at 10 % of users and are checked every 30 s (run.py). Beside them, `--models` resources of
`--pods` pods each get run after run whose predictions fail, until `--rollbacks` of them were rolled back by a gate. The
time is that of `status.rollback`: from the decision until every pod answered with the routing that withdraws the run.
Only pods are simulated (fleet.py).
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench import INTERVAL, SETTLE_SECONDS, lateness, running_bench, settings_of_machine, show
from readings import memory_mib
from resources import run_id

from serin_core.api.packing import expanded
from serin_core.api.record import RollbackTime

sys.path.insert(0, str(Path(__file__).parents[1]))
from watched import report_line

LIMIT = 2.0
"""Seconds: 99 % of the rollbacks are to be within it."""
WINDOW = 60
"""Seconds in which the CPU time of the operator is measured before the rollbacks."""
WITHIN = 900.0
"""Seconds within which a run must be rolled back; most of it is traffic that a gate needs for its verdict."""


async def roll_back(bench, wanted):
    """Let resources try runs that fail, by name, until each is rolled back by a gate; return the rollbacks."""
    await asyncio.gather(*(bench.set_run(name, run) for name, run in wanted.items()))
    ends_at = time.monotonic() + WITHIN
    while True:
        found = await bench.resources()
        last = {name: expanded(found[name].get("status", {})).get("rollback") for name in wanted}
        over = [
            rollback
            for name, one in last.items()
            if one and (rollback := RollbackTime.model_validate(one)).confirmed_at and rollback.run_id == wanted[name]
        ]
        if len(over) == len(wanted):
            return over
        if time.monotonic() > ends_at:
            raise TimeoutError(f"{len(wanted) - len(over)} runs were not rolled back: {last}")
        await bench.pause()


async def measure(bench, options):
    """Return the seconds of all rollbacks, and by how many seconds the other resources are late at the end."""
    others = [f"model-{number}" for number in range(options.resources)]
    names = [f"large-{number}" for number in range(options.models)]
    show(f"{len(others)} resources with 1 pod each, {len(names)} with {options.pods}")
    await bench.create(others, pods=1, interval=f"{INTERVAL}s")
    await bench.create(names, pods=options.pods, interval=f"{INTERVAL}s")
    show(f"all at 10 % after {await bench.wait_for_judgement([*others, *names]):.0f} s")
    await asyncio.sleep(SETTLE_SECONDS)
    window, (leader, _) = await bench.window(WINDOW), bench.operators()[0]
    show(f"the operator needs {window.cpu_ms('operator'):.0f} ms/s of CPU and {memory_mib(leader):.0f} MiB")
    runs = (run_id(number, is_failing=True) for number in range(options.rollbacks))
    found = []
    while wanted := dict(zip(names, runs, strict=False)):
        found += await roll_back(bench, wanted)
        events = Counter(one.event for one in found)
        show(f"{len(found)} rollbacks ({dict(events)}), the longest {max(one.seconds for one in found):.2f} s")
    return [one.seconds for one in found], lateness(bench)


async def run(options, work):
    """Measure on a cluster of its own, and print."""
    async with running_bench(work, name="cluster", operators=options.operators) as bench:
        found, late = await measure(bench, options)
    result = report_line(f"verdict to confirmation by {options.pods} pods", found, LIMIT)
    print(f"the latest check of {options.resources} other resources is late by {late:.1f} s")
    return result | {"late": late}


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resources", type=int, default=1000, help="other resources (%(default)s)")
    parser.add_argument("--models", type=int, default=10, help="resources whose runs fail (%(default)s)")
    parser.add_argument("--pods", type=int, default=20, help="pods of each of them (%(default)s)")
    parser.add_argument("--rollbacks", type=int, default=200, help="rollbacks (%(default)s)")
    parser.add_argument("--operators", type=int, default=2, help="operators, one of which leads (%(default)s)")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    parser.add_argument("--work", type=Path, help="keep the files and logs of the cluster in this directory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="serin-scale-") as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        result = asyncio.run(run(options, work.absolute()))
    if options.json:
        options.json.write_text(json.dumps({"machine": settings_of_machine()} | result, indent=1) + "\n")


if __name__ == "__main__":
    main()
