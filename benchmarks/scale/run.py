"""What the operator costs with many resources (`make bench-scale`): CPU, memory, requests, and whether it is in time.

    python benchmarks/scale/run.py [--resources 10 200 1000] [--seconds 60] [--json FILE] [--profile FOLDER]

For each number of resources it starts a cluster (API server, etcd, controller manager, Prometheus, the operator with
its default settings), brings every resource to 10 % of users, and measures it in three windows: while the counters of
the pods grow, without the operator, and while the counters stand still. Only pods are simulated (fleet.py). CPU time
that the API server and etcd need for the operator is the difference to the window without it.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from bench import INTERVAL, SCRAPE_SECONDS, SETTLE_SECONDS, lateness, running_bench, settings_of_machine, show
from readings import memory_mib, started_at

from serin_localcluster.cluster import OWN_IMAGES

REMARKABLE = 0.5
"""Requests a minute, below which a kind of request is not shown."""
TARGETS = {"operator": 40, "API server": 20, "memory": 120}
"""Milliseconds of CPU time a second, and MiB, with 200 resources."""
ELSEWHERE = {
    "Argo Rollouts": {"operator": 44, "API server": 114, "memory": 123},
    "Flagger": {"operator": 56, "API server": 159, "memory": 81},
}
"""The same work of other operators, measured on another machine: 200 resources with 5 gates each, every 30 s."""


async def measure(bench, count, *, pods, seconds):
    """Return the figures of a number of resources."""
    names = [f"model-{number}" for number in range(count)]
    show(f"{count} resources with {pods} pods each")
    await bench.create(names, pods=pods, interval=f"{INTERVAL}s")
    figures = {"resources": count, "pods": count * pods, "until judged (s)": await bench.wait_for_judgement(names)}
    await asyncio.sleep(SETTLE_SECONDS)
    show(f"all at 10 % after {figures['until judged (s)']:.0f} s; counters grow")
    moving = await bench.window(seconds)
    figures["late (s)"] = lateness(bench)
    pids = [pid for pid, _ in bench.operators()]
    figures |= {"memory (MiB)": memory_mib(pids[0]), "memory at its highest (MiB)": memory_mib(pids[0], "VmHWM")}
    figures["memory of the standby (MiB)"] = memory_mib(pids[1]) if pids[1:] else 0.0
    show("without the operator")
    operators = len(pids)
    bench.scale_operators(0)
    await asyncio.sleep(5)
    idle = await bench.window(seconds)
    figures |= costs("", moving, idle, count)
    show(json.dumps(figures))
    show("the operator starts again")
    figures |= await start(bench, count, operators)
    show("counters stand still")
    bench.toggle_traffic()
    await asyncio.sleep(SCRAPE_SECONDS + INTERVAL + 5)
    return figures | costs(", counters stand still", await bench.window(seconds), idle, count)


def costs(suffix, window, idle, count):
    """Return the figures of one window."""
    looks = count * window.at / INTERVAL
    passes = sum(window.passes.values())
    writes = window.writes - idle.writes * window.at / idle.at
    named = {
        "operator (ms/s)": window.cpu_ms("operator"),
        "standby (ms/s)": window.cpu_ms("standby"),
        "API server (ms/s)": window.cpu_ms("kube-apiserver") - idle.cpu_ms("kube-apiserver"),
        "etcd (ms/s)": window.cpu_ms("etcd") - idle.cpu_ms("etcd"),
        "Prometheus (ms/s)": window.cpu_ms("prometheus") - idle.cpu_ms("prometheus"),
        "passes a look": passes / looks,
        "API requests a look": window.of_operator / looks,
        "API writes a look": writes / looks,
        "Prometheus queries a look": window.queries / looks,
    }
    return {f"{name}{suffix}": value for name, value in named.items()} | {f"requests{suffix}": kinds(window, idle)}


def kinds(window, idle):
    """Return how many requests a minute there are of each verb and resource more than without the operator."""
    rates = {
        f"{verb} {resource}": 60 * (number / window.at - idle.requests[verb, resource] / idle.at)
        for (verb, resource), number in window.requests.items()
    }
    return {name: round(rate, 1) for name, rate in sorted(rates.items(), key=lambda one: -one[1]) if rate > REMARKABLE}


async def start(bench, count, operators):
    """Start the operator again, and return how long it takes to check every resource."""
    bench.scale_operators(operators)
    began = started_at(bench.operators()[0][0])
    await asyncio.sleep(max(0.0, began + INTERVAL - 2 - time.time()))
    found = [at - began for at in bench.last_checks().values()]
    show(f"{len(found)} of {count} resources were checked within {INTERVAL - 2} s of the start")
    return {"checked within 28 s of the start": len(found), "last of them (s)": max(found, default=0.0)}


def table(results):
    """Return all figures as a table in Markdown: one column for each number of resources."""
    head = ["figure", *(f"{one['resources']} resources" for one in results)]
    rows = [[name, *(shown(one[name]) for one in results)] for name in list(results[0])[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def shown(figure):
    """Return a figure as text."""
    if isinstance(figure, dict):
        return ", ".join(f"{name} {rate} a minute" for name, rate in figure.items())
    return f"{figure:.2f}" if isinstance(figure, float) else str(figure)


def profiled(folder):
    """Return the command of the operator with a profile of it, written when it ends."""
    return [sys.executable, "-m", "cProfile", "-o", str(folder / "operator.prof"), "-m", "serin_operator.main"]


async def run(options, work):
    """Measure each number of resources on a cluster of its own; return all figures."""
    results = []
    images = dict(OWN_IMAGES)
    if options.profile:
        options.profile.mkdir(parents=True, exist_ok=True)
        images["*serin-operator:*"] = profiled(options.profile.absolute())
    for count in options.resources:
        async with running_bench(work, name=f"cluster-{count}", operators=options.operators, images=images) as bench:
            results.append(await measure(bench, count, pods=options.pods, seconds=options.seconds))
    return results


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resources", type=int, nargs="+", default=[10, 200, 1000], help="numbers of resources")
    parser.add_argument("--pods", type=int, default=1, help="pods of each resource (%(default)s)")
    parser.add_argument("--operators", type=int, default=2, help="operators, one of which leads (%(default)s)")
    parser.add_argument("--seconds", type=int, default=60, help="length of each window (%(default)s)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--work", type=Path, help="keep the files and logs of the clusters in this directory")
    parser.add_argument("--profile", type=Path, help="run the operator under cProfile, and write operator.prof there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="serin-scale-") as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        results = asyncio.run(run(options, work.absolute()))
    print(table(results))
    if options.json:
        written = {"machine": settings_of_machine(), "targets": TARGETS, "elsewhere": ELSEWHERE, "results": results}
        options.json.write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
