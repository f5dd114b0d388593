"""Run four rollouts, with an approval, a bake and an undo, on a local cluster.

The API server, Prometheus and the traffic are real.

Exit status 0 only if all of them ended as expected, each at the expected share of users.
"""

import argparse
import contextlib
import json
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from serin_demo import data
from serin_demo.commands import BIN, CommandError, run
from serin_demo.console import Console
from serin_demo.data import DataError, Halves
from serin_demo.installation import NAME, NAMESPACE, ROOT, Installation
from serin_demo.scenario import Action, Scenario, play
from serin_demo.traffic import Traffic
from serin_localcluster.build import BuildError
from serin_localcluster.cluster import OWN_IMAGES, Cluster, ClusterStartError, start_cluster

DIRECTORY = ROOT / ".demo"
RATE = 400.0
APPROVED_CANARY = {
    "shadowSoak": "5s",
    "steps": [
        *({"percent": step, "soak": "5s"} for step in (10, 50)),
        {"percent": 100, "soak": "5s", "approval": "Manual"},
    ],
}
"""The canary of the first rollout: the last step waits for a user."""
HOLDBACK = 5
"""Percent of users who stay with the rules until the end of the first bake."""
FORMAT_CHANGES_AT = 50.0
"""Percent of users at which the transactions of the third rollout change their format."""


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--data", type=Path, help="CSV of labelled transactions (default: synthetic ones)")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running at the end")
    parser.add_argument("--report", type=Path, default=ROOT / "demo-report.json", help="JSON report (%(default)s)")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console()
    try:
        scenarios = _demo(console, source=arguments.data, keep=arguments.keep, report=arguments.report)
    except (CommandError, DataError, BuildError, ClusterStartError) as error:
        sys.exit(f"make demo: {error}")
    except KeyboardInterrupt:
        sys.exit("make demo: interrupted; nothing is left running")
    sys.exit(0 if all(scenario.is_as_expected for scenario in scenarios) else 1)


def _demo(console: Console, *, source: Path | None, keep: bool, report: Path) -> list[Scenario]:
    work = DIRECTORY / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        programs = stack.enter_context(_building_programs())
        halves = _transactions(console, source, work)
        runs = _train(console, halves, work)
        with console.phase("programs") as details:
            if programs.wait() != 0:
                raise CommandError("the programs of the local cluster could not be built")
            details.append("etcd, Kubernetes and Prometheus are there")
        with console.phase("cluster") as details:
            cluster = start_cluster(
                directory=DIRECTORY / "cluster", images=OWN_IMAGES, scrape_interval_seconds=1, is_detached=keep
            )
            stack.callback(lambda: None if keep else cluster.close())
            details.append(f"API server, controllers, Prometheus on {cluster.prometheus_url}")
        installation = Installation(kubeconfig=cluster.kubeconfig, directory=work)
        token = secrets.token_hex(16)
        with console.phase("operator") as details:
            installation.install_operator(prometheus_url=cluster.prometheus_url)
            rules = (work / "rules.yaml").read_text(encoding="utf-8")
            installation.prepare(registry=work / "registry", rules=rules, token=token)
            details.append("installed from manifests/default")
        traffic = Traffic(rows=halves.traffic, token=token, rate=RATE, addresses=installation.ready_pods)
        stack.callback(traffic.stop)
        traffic.start()
        console.line(f"traffic        {RATE:g} transactions per second, as soon as pods are ready")
        scenarios = _scenarios(*runs)
        for scenario in scenarios:
            play(scenario, installation, console, traffic)
        traffic.stop()
        console.line(f"traffic        {traffic.sent} transactions answered, {traffic.failed} failed")
        _summarize(console, scenarios, report)
        if keep:
            _show_how_to_look_around(console, cluster, installation, token)
        return scenarios


@contextlib.contextmanager
def _building_programs() -> Iterator["subprocess.Popen[bytes]"]:
    """Build what the local cluster lacks while models are trained; end the build if the demo ends early."""
    process = subprocess.Popen([sys.executable, "-m", "serin_localcluster", "build"])
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _transactions(console: Console, source: Path | None, work: Path) -> Halves:
    with console.phase("transactions") as details:
        if source is None:
            source = work / "transactions.csv"
            run(["serin", "generate", "--rows", "30000", "--seed", "1", "--out", str(source)])
        halves = data.split(source)
        details.append(f"{len(halves.training)} to train on, {len(halves.traffic)} later ones as traffic")
    return halves


def _train(console: Console, halves: Halves, work: Path) -> Sequence[str]:
    """Train three runs with `serin train`, each on its own CSV, and return their names."""
    sources = {
        "good": halves.training,
        "outdated": data.outdated(halves.training),
        "merchant-only": data.without_descriptions(halves.training),
    }
    names = []
    for name, rows in sources.items():
        with console.phase(f"train {name}"[:14]) as details:
            data.write(work / f"{name}.csv", rows)
            command = [
                "serin",
                "train",
                "-o",
                "json",
                "--data",
                str(work / f"{name}.csv"),
                "--registry",
                str(work / "registry"),
            ]
            report = json.loads(run(command))
            details.append(f"{report['run_directory']}: macro F1 {report['val_f1_macro']:.3f} on its own test set")
            names.append(str(report["run_directory"]))
    with console.phase("rules") as details:
        run(["serin", "rules", "suggest", "--data", str(work / "good.csv"), "--out", str(work / "rules.yaml")])
        details.append("keyword rules, the baseline of the first rollout")
    return names


def _scenarios(good: str, outdated: str, merchant_only: str) -> list[Scenario]:
    """Return what is played, in order. Each is data: what is applied, what a user does meanwhile, how it should end."""
    found = [
        Scenario(
            f"a good model, compared with keyword rules; a user approves the last step, after which it bakes "
            f"and {HOLDBACK} % of users wait",
            good,
            "Promoted",
            100.0,
            changes={"bake": {"duration": "5s", "holdback": HOLDBACK}, "canary": APPROVED_CANARY},
            approval="the numbers of the canary look fine",
        ),
        Scenario("a model of outdated categories: accurate offline, wrong live", outdated, "RolledBack", 0.0),
        Scenario(
            f"a model that reads only merchant names; at {FORMAT_CHANGES_AT:g} % of users their format changes",
            merchant_only,
            "RolledBack",
            FORMAT_CHANGES_AT,
            format_changes_at=FORMAT_CHANGES_AT,
        ),
        Scenario(
            "a user takes the promoted model out of service; the rules serve again",
            good,
            "RolledBack",
            100.0,
            actions=(Action("RolloutCancelled", ("undo", "--yes", "--reason", "complaints about groceries")),),
        ),
    ]
    for number, scenario in enumerate(found, start=1):
        scenario.title = f"{number} of {len(found)}: {scenario.title}"
    return found


def _summarize(console: Console, scenarios: Sequence[Scenario], report: Path) -> None:
    found = [scenario.report() for scenario in scenarios]
    report.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    console.line("--- Summary")
    for scenario in scenarios:
        mark = "ok    " if scenario.is_as_expected else "FAILED"
        expected = f"{scenario.expected} at {scenario.expected_percent:g} %"
        ended = f"{scenario.outcome} at {scenario.max_percent:g} % of users after {scenario.seconds:.0f} s"
        console.line(f"{mark} {scenario.run_id}: {ended} (expected: {expected})")
        if scenario.seconds_to_confirm is not None:
            users = f"{scenario.max_percent:g} % of users had it" if scenario.max_percent else "no user ever saw it"
            seconds = scenario.seconds_to_confirm
            console.line(f"{users}; every pod confirmed 0 % within {seconds:.1f} s of the verdict", indent=7)
    console.line(f"report         {report}")


def _show_how_to_look_around(console: Console, cluster: Cluster, installation: Installation, token: str) -> None:
    address = next(iter(installation.ready_pods()), "POD_IP:8080")
    body = '{"transactions": [{"txn_id": "t1", "user_id": "u1", "merchant": "SHELL", "amount": 40}]}'
    console.line("The cluster is still running, without traffic. In a shell:")
    console.verbatim(f"export KUBECONFIG={cluster.kubeconfig} PATH={BIN}:$PATH")
    console.verbatim(f"kubectl -n {NAMESPACE} get sgm,pods")
    console.verbatim(f"kubectl serin status {NAME} -n {NAMESPACE}")
    console.line("Send a request to a pod (Services have no endpoints on this cluster):")
    console.verbatim(f"curl -s http://{address}/agent/suggestions -H 'Authorization: Bearer {token}' \\")
    console.verbatim(f"  -H 'Content-Type: application/json' -d '{body}'")
    console.line(f"Prometheus: {cluster.prometheus_url}")
    console.line("Stop everything:")
    console.verbatim("make cluster-down DIR=.demo/cluster")


if __name__ == "__main__":
    main()
