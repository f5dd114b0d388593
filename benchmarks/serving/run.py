"""Benchmark of the server and others: rates, latencies, memory, disturbances, a soak (`make bench-serving`).

python benchmarks/serving/run.py [--data FILE.csv] [--rounds 3] [--seconds 3] [--soak 60s]

One core for what is measured, another for the load; loopback only; every load and every process has an end.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import flooding
from disturbing import Disturbance, moves_of_latest, reloads, routing_changes, scrapes
from figures import HEAD, Figure, NotRun, p99s, p99s_from_sending, rates
from load import Load, Requests
from pod import RUNS, TOKEN, Pod
from preparing import BATCH, BENCH, OWN, PYTHON, Prepared, prepare
from processes import CORES, LOAD_CORE, SERVER_CORE, Running, StartError, free_port, has_priority, started
from rivals import HERE, environment, nginx_conf
from where import parts, sample

CONNECTIONS = 16
RATE = 500
DISTURBED_RATE = 1000
SOAK_SHARE = 0.7
FLOOD = 3
FLOOD_CONNECTIONS = 3000
CROWD, BESIDE_CROWD = 2000, 1500


def show(text: str) -> None:
    """Show progress."""
    sys.stderr.write(f"{datetime.now().astimezone():%H:%M:%S} {text}\n")
    sys.stderr.flush()


@dataclass(slots=True)
class Results:
    """Results."""

    figures: list[Figure | NotRun] = field(default_factory=list)
    loads: dict[str, list[Load]] = field(default_factory=lambda: defaultdict(list))
    notes: list[str] = field(default_factory=list)


class Bench:
    """One run of the benchmark."""

    def __init__(self, prepared: Prepared, scratch: Path, *, rounds: int, seconds: float) -> None:
        self._made, self._scratch, self._rounds, self._seconds = prepared, scratch, rounds, seconds
        self._pods = 0
        self.results = Results()

    # --- servers ---

    def _own(self, stack: ExitStack, *, with_stable: bool = False, store: str = "none") -> tuple[Running, Pod]:
        self._pods += 1
        candidate, other = self._made.runs[0], self._made.runs[1]
        root = self._scratch / f"pod-{self._pods}"
        pod = Pod(root, self._made.registry, candidate, other if with_stable else None)
        pod.write(self._made.rules)
        port = free_port()
        argv = [PYTHON, "-m", "serin_server.main"]
        context = started(
            f"serin-{self._pods}",
            argv,
            port=port,
            ready="/readyz",
            environment=pod.environment(port) | {"SERIN_STORE": store},
            folder=self._scratch,
        )
        return stack.enter_context(context), pod

    def _following(self, stack: ExitStack) -> tuple[Running, Path]:
        """Start `serin serve` on a copy of the registry, whose latest run it serves."""
        registry, tokens = self._scratch / "followed", self._scratch / "tokens"
        shutil.copytree(self._made.registry, registry, symlinks=True)
        tokens.mkdir()
        (tokens / "token").write_text(TOKEN)
        port = free_port()
        argv = [str(Path(PYTHON).parent / "serin"), "serve", "--registry", str(registry), "--tokens", str(tokens)]
        argv += ["--rules", str(self._made.rules), "--store", "none", "--port", str(port)]
        context = started(
            "serin-serve",
            argv,
            port=port,
            ready="/readyz",
            environment={"SUGGEST_USE_MODEL_CANARY": "50%", "SUGGEST_ENABLE_SHADOW": "true"},
            folder=self._scratch,
        )
        return stack.enter_context(context), registry / RUNS / "latest"

    def _reference(self, stack: ExitStack) -> Running:
        python = environment(BENCH, "reference")
        script, model = HERE / "reference.py", self._made.learned.with_name("reference.joblib")
        if not model.exists():
            show("training the reference (a minute)")
            subprocess.run([str(python), str(script), "train", str(self._made.learned), str(model)], check=True)
        port = free_port()
        argv = [str(python), str(script), "serve", str(model), str(port)]
        return stack.enter_context(
            started("reference", argv, port=port, ready="/readyz", environment={}, folder=self._scratch)
        )

    def _kserve(self, stack: ExitStack) -> Running:
        python, port = environment(BENCH, "kserve"), free_port()
        model = self._made.registry / RUNS / self._made.runs[0] / "model.txt"
        argv = [str(python), str(HERE / "kserve_model.py"), str(model), str(port)]
        ready = "/v1/models/categories"
        return stack.enter_context(
            started("kserve", argv, port=port, ready=ready, environment={}, folder=self._scratch)
        )

    def _hello(self, stack: ExitStack) -> Running:
        port = free_port()
        argv = [PYTHON, "-m", "uvicorn", "hello:app", "--app-dir", str(HERE), "--port", str(port)]
        argv += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
        return stack.enter_context(started("hello", argv, port=port, ready="/", environment={}, folder=self._scratch))

    def _nginx(self, stack: ExitStack) -> Running:
        nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if nginx is None:
            raise StartError("nginx is not installed")
        port = free_port()
        argv = [nginx, "-p", str(self._scratch), "-c", str(nginx_conf(self._scratch, port))]
        return stack.enter_context(started("nginx", argv, port=port, ready="/", environment={}, folder=self._scratch))

    # --- figures ---

    def _keep(self, name: str, load: Load) -> None:
        self.results.loads[name].append(load)
        show(
            f"{name}: {load.rate:,.0f}/s, p50 {load.p50:,.0f} us, p99 {load.p99:,.0f} us, "
            f"{load.cpu_per_request:,.0f} us of CPU a request, {load.errors} errors"
        )

    def memory(self) -> None:
        """Compare the memory of a pod with two runs and of the reference, each alone on the machine."""
        with ExitStack() as stack:
            own, _ = self._own(stack, with_stable=True)
            self._keep("serin, stable and candidate, warming", self._closed(own, self._made.single(), seconds=4))
            held = own.pss_mib()
        with ExitStack() as stack:
            reference = self._reference(stack)
            self._keep("reference, warming", self._closed(reference, self._made.single(), seconds=4))
            rival = reference.pss_mib()
        show(f"memory: serin {held:.0f} MiB, reference {rival:.0f} MiB")
        figure = Figure("memory, stable and candidate loaded", "MiB", (held,), "reference", (rival,), "at most", 1 / 3)
        self.results.figures.append(figure)

    def rivals(self) -> None:
        """Compare rates and latencies, in alternating rounds."""
        with ExitStack() as stack:
            own, _ = self._own(stack)
            servers: dict[str, tuple[Running, Requests]] = {"serin": (own, self._made.single())}
            missing: dict[str, str] = {}
            starts = {
                "reference": (self._reference, self._made.single),
                "kserve": (self._kserve, self._made.of_kserve),
                "nginx": (self._nginx, self._made.single),
                "hello": (self._hello, self._made.single),
            }
            for name, (start, requests) in starts.items():
                try:
                    servers[name] = (start(stack), requests())
                except (StartError, subprocess.SubprocessError, OSError) as error:
                    show(f"{name}: {error}")
                    missing[name] = str(error).splitlines()[0]
            batches = self._made.batches()
            for _ in range(self._rounds):
                for name, (server, requests) in servers.items():
                    self._keep(f"{name}, closed", self._closed(server, requests))
                self._keep("serin, 64 items", self._closed(own, batches))
            for _ in range(self._rounds):
                for name, (server, requests) in servers.items():
                    if name != "reference":
                        self._keep(f"{name}, open", self._open(server, requests, rate=RATE))
        self._compare(missing)

    def _compare(self, missing: dict[str, str]) -> None:
        loads, add = self.results.loads, self.results.figures.append
        own, own_open = loads["serin, closed"], loads["serin, open"]
        if "reference" in missing:
            add(NotRun("requests/s, reference", missing["reference"]))
        else:
            add(Figure("requests/s", "/s", rates(own), "reference", rates(loads["reference, closed"]), "at least", 100))
        if "kserve" in missing:
            add(NotRun("requests/s and p99, KServe", missing["kserve"]))
        else:
            add(Figure("requests/s", "/s", rates(own), "KServe", rates(loads["kserve, closed"]), "at least", 4))
            add(Figure("p99", "us", p99s(own_open), "KServe", p99s(loads["kserve, open"]), "at most", 0.4))
            add(
                Figure(
                    "p99, from sending",
                    "us",
                    p99s_from_sending(own_open),
                    "KServe",
                    p99s_from_sending(loads["kserve, open"]),
                    "at most",
                    0.4,
                )
            )
        if "nginx" in missing:
            add(NotRun("p50, nginx", missing["nginx"]))
        else:
            for name, of in (
                ("p50", lambda load: load.p50),
                ("p50, from sending", lambda load: load.p50_from_sending),
            ):
                mine, theirs = tuple(map(of, own_open)), tuple(map(of, loads["nginx, open"]))
                add(Figure(name, "us", mine, "nginx", theirs, "at most", 2.5))
        add(Figure("p99", "us", p99s(own_open), "ASGI hello", p99s(loads["hello, open"]), "at most", 1.5))
        hello = p99s_from_sending(loads["hello, open"])
        add(Figure("p99, from sending", "us", p99s_from_sending(own_open), "ASGI hello", hello, "at most", 1.5))
        batch = tuple(load.cpu_per_request / BATCH for load in loads["serin, 64 items"])
        single = tuple(load.cpu_per_request for load in own)
        add(Figure("CPU an item, 64 a request", "us", batch, "one a request", single, "at most", 1 / 5))

    def disturbed(self) -> None:
        """Compare p99 with and without a disturbance, in alternating rounds."""
        requests = self._made.single()
        with ExitStack() as stack:
            own, pod = self._own(stack)
            self._keep("warming", self._closed(own, requests))
            revision = 1
            for _ in range(self._rounds):
                self._keep("idle", self._open(own, requests, rate=DISTURBED_RATE))
                self._beside("reloads", own, requests, reloads(own.url))
                changes = routing_changes(pod, after=revision)
                self._beside("routing changes", own, requests, changes)
                revision += changes.done
                self._beside("scrapes", own, requests, scrapes(own.url))
        with ExitStack() as stack:
            own, latest = self._following(stack)
            self._keep("warming", self._closed(own, requests))
            for _ in range(self._rounds):
                self._keep("idle, serin serve", self._open(own, requests, rate=DISTURBED_RATE))
                self._beside("new runs", own, requests, moves_of_latest(latest, self._made.runs))
        loads = self.results.loads
        for name, what, idle, wanted in (
            ("reloads", "p99, a run reloads every 0.5 s", "idle", 1.25),
            ("new runs", "p99, another run is built and served every second", "idle, serin serve", 1.25),
            ("routing changes", "p99, routing changes every 0.2 s", "idle", 1.1),
            ("scrapes", "p99, a scrape every 0.2 s", "idle", 1.1),
        ):
            self.results.figures.append(
                Figure(what, "us", p99s(loads[name]), "idle", p99s(loads[idle]), "at most", wanted)
            )

    def _beside(self, name: str, own: Running, requests: Requests, disturbance: Disturbance) -> None:
        with disturbance.going_on():
            self._keep(name, self._open(own, requests, rate=DISTURBED_RATE))
        show(f"{name}: {disturbance.done} done, {disturbance.failed} failed")
        if disturbance.failed or not disturbance.done:
            self.results.notes.append(f"{name}: {disturbance.done} done, {disturbance.failed} failed")

    def soak(self, seconds: float) -> None:
        """Load at 70 % of the highest rate with reloads and scrapes, window by window."""
        window = min(60.0, seconds / 3)
        requests = self._made.single()
        with ExitStack() as stack:
            own, _ = self._own(stack)
            highest = self._closed(own, requests)
            self._keep("soak, highest rate", highest)
            rate = round(highest.rate * SOAK_SHARE)
            held: list[float] = []
            reloading, scraping = reloads(own.url), scrapes(own.url, every=5)
            with reloading.going_on(), scraping.going_on():
                end = time.monotonic() + seconds
                while time.monotonic() < end - window / 2:
                    self._keep("soak", self._open(own, requests, rate=rate, seconds=window))
                    held.append(own.pss_mib())
        windows = self.results.loads["soak"]
        errors = sum(load.errors for load in windows)
        add = self.results.figures.append
        soak = f"soak of {seconds:.0f} s"
        add(Figure(f"{soak}, p99", "us", p99s(windows[1:]), "first window", p99s(windows[:1]), "at most", 1.2))
        add(Figure(f"{soak}, memory", "MiB", (held[-1],), "first window", (held[0],), "at most", 1.05))
        self.results.notes.append(
            f"Soak: {seconds:.0f} s in windows of {window:.0f} s at {rate:,}/s, "
            f"{errors} errors in {sum(load.requests for load in windows):,} requests, {reloading.done} reloads "
            f"({reloading.failed} failed), {scraping.done} scrapes ({scraping.failed} failed)."
        )

    def flood(self, seconds: float) -> None:
        """Send three times the highest rate on more connections than there is room for, then beside hostile clients."""
        requests = self._made.single()
        database = self._scratch / "flood.sqlite3"
        with ExitStack() as stack:
            own, _ = self._own(stack, store=f"sqlite:////{database}")
            highest = self._closed(own, requests)
            self._keep("flood, highest rate", highest)
            held = [own.pss_mib()]
            answered: list[float] = []
            ready, alive = (flooding.probes(own.url, path) for path in ("/readyz", "/healthz"))
            sending = flooding.feedback(own.url, dict(OWN))
            rate = round(highest.rate * FLOOD)
            with ready.going_on(), alive.going_on(), sending.going_on():
                for crowd in (0, CROWD):
                    name = f"flood of {rate:,}/s" + (f" beside {crowd:,} hostile connections" if crowd else "")
                    with flooding.Crowd(own.url, TOKEN, count=crowd).connected() as others:
                        load = self._made.loader.flood(
                            own,
                            requests,
                            rate=rate,
                            connections=BESIDE_CROWD if crowd else FLOOD_CONNECTIONS,
                            seconds=seconds / 2,
                        )
                    self._keep(name, load)
                    held.append(own.pss_mib())
                    answered.append((load.requests - load.errors) / load.requests * load.rate)
                    self.results.notes.append(
                        f"{name}, {others.opened:,} opened: {load.requests:,} requests, "
                        f"{load.requests - load.errors:,} with 200, {load.refused:,} with 503, "
                        f"{load.errors - load.refused:,} without a response."
                    )
        stored = flooding.stored_feedback(database)
        self.results.notes.append(
            f"Beside the flood: /readyz {flooding.summary(ready.outcomes)}, "
            f"/healthz {flooding.summary(alive.outcomes)}, {flooding.summary(sending.outcomes)}; "
            f"{stored} feedbacks in the store."
        )
        add = self.results.figures.append
        add(Figure("flood, requests/s with 200", "/s", tuple(answered), "highest", (highest.rate,), "at least", 0.5))
        add(Figure("flood, memory", "MiB", (max(held[1:]),), "before", (held[0],), "at most", 3))
        add(
            Figure(
                "flood, probes with 200", "", (_accepted(ready, alive),), "all", (_all(ready, alive),), "at least", 1
            )
        )
        kept = float(sending.outcomes["feedback 200"])
        add(Figure("flood, feedback in the store", "", (float(stored),), "with 200", (kept,), "at least", 1))

    def profile(self) -> None:
        """Measure where the time of a request goes, at the highest rate."""
        with ExitStack() as stack:
            own, _ = self._own(stack)
            requests = self._made.single()
            self._keep("warming", self._closed(own, requests))
            sampling = sample(own, BENCH, self._scratch, seconds=6)
            self._keep("profiled", self._closed(own, requests, seconds=8))
            sampling.wait(timeout=60)
        spent = self.results.loads["profiled"][0].cpu_per_request
        rows = [f"| {part} | {share:.0%} | {share * spent:.0f} |" for part, share in parts(self._scratch).items()]
        head = ["| part of a request, at the highest rate | share | us of CPU |", "|---|---|---|"]
        self.results.notes.append("\n".join([*head, *rows]))

    def _closed(self, server: Running, requests: Requests, *, seconds: float = 0) -> Load:
        return self._made.loader.closed(server, requests, connections=CONNECTIONS, seconds=seconds or self._seconds)

    def _open(self, server: Running, requests: Requests, *, rate: int, seconds: float = 0) -> Load:
        return self._made.loader.open(server, requests, rate=rate, seconds=seconds or self._seconds)


def report(results: Results, *, arguments: argparse.Namespace, loads_before: tuple[float, ...]) -> None:
    """Write table and JSON, and print the table."""
    begun, ended = loads_before[0], os.getloadavg()[0]
    priority = "both with real-time priority" if has_priority() else "without priority over other work"
    about = (
        f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}, Python {sys.version.split()[0]}, {len(CORES)} cores "
        f"(server on {SERVER_CORE}, load on {LOAD_CORE}; "
        f"{priority}), load average {begun:.1f} before and {ended:.1f} after, "
        f"{arguments.rounds} rounds of {arguments.seconds:g} s, data: {arguments.data or 'generated'}."
    )
    lines = ["# The server compared with others", "", f"Printed by `make bench-serving`. {about}", "", HEAD]
    lines += [figure.row() for figure in results.figures]
    lines += [
        "",
        "| load (middle round by p99) | /s | p50 us | p99 us | p50 from sending | CPU us a request | errors |",
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    for name, loads in results.loads.items():
        middle = sorted(loads, key=lambda load: load.p99)[len(loads) // 2]
        errors = sum(load.errors for load in loads)
        lines.append(
            f"| {name} | {middle.rate:,.0f} | {middle.p50:,.0f} | {middle.p99:,.0f} | {middle.p50_from_sending:,.0f} "
            f"| {middle.cpu_per_request:,.1f} | {errors} |"
        )
    lines += ["", *("\n" + note for note in results.notes)]
    text = "\n".join(lines).strip() + "\n"
    arguments.out.with_suffix(".md").write_text(text)
    facts = {
        "about": about,
        "figures": [figure.facts() for figure in results.figures],
        "loads": {name: [load.facts() for load in loads] for name, loads in results.loads.items()},
        "notes": results.notes,
    }
    arguments.out.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
    print(text)


def _accepted(*probes: flooding.Beside) -> float:
    return float(sum(one.outcomes["200"] for one in probes))


def _all(*probes: flooding.Beside) -> float:
    return float(sum(sum(one.outcomes.values()) for one in probes))


def duration(text: str) -> float:
    """Parse 60s or 30m."""
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--soak", type=duration, default=60.0)
    parser.add_argument("--only", nargs="*", default=["memory", "rivals", "disturbed", "soak", "flood", "profile"])
    parser.add_argument("--out", type=Path, default=HERE.parent / "serving")
    arguments = parser.parse_args()
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as scratch:
        prepared = prepare(arguments.data, Path(scratch))
        os.sched_setaffinity(0, {LOAD_CORE})
        bench = Bench(prepared, Path(scratch), rounds=arguments.rounds, seconds=arguments.seconds)
        steps = {"memory": bench.memory, "rivals": bench.rivals, "disturbed": bench.disturbed, "profile": bench.profile}
        try:
            for name in arguments.only:
                show(f"--- {name}")
                if name in {"soak", "flood"}:
                    getattr(bench, name)(arguments.soak)
                else:
                    steps[name]()
        except KeyboardInterrupt:
            show("stopped by Ctrl-C, with all processes")
            raise SystemExit(130) from None
        report(bench.results, arguments=arguments, loads_before=before)


if __name__ == "__main__":
    main()
