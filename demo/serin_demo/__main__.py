"""`make demo`: the main job on real parts, from nothing, in a few minutes.

Exit status 0 only if all three runs ended as they should, each at the share of users that it should.
"""

import argparse
import concurrent.futures
import contextlib
import json
import secrets
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from serin_demo import data
from serin_demo.commands import BIN, CommandError, run
from serin_demo.console import Telling
from serin_demo.data import DataError, Halves
from serin_demo.installation import NAME, NAMESPACE, ROOT, Installation
from serin_demo.scenario import Act, Theatre, play
from serin_demo.traffic import Traffic
from serin_localcluster.build import BuildError
from serin_localcluster.cluster import Cluster, ClusterStartError, build_all, start_cluster

DIRECTORY = ROOT / ".demo"
RATE = 400.0
LONGEST_ACT = 150.0
"""Seconds after which a run counts as not having ended."""
TURNS_BAD_AT = 50.0
"""Percent of users at which the third act's world changes."""
IMAGES = {
    "*serin-operator:*": [str(BIN / "serin-operator")],
    "*serin-server:*": [str(BIN / "serin-server")],
}


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--data", type=Path, help="a CSV of transactions; generated ones by default")
    parser.add_argument("--keep", action="store_true", help="leave everything up at the end")
    parser.add_argument("--report", type=Path, default=ROOT / "demo-report.json", help="where the report goes")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    telling = Telling()
    try:
        acts = _demo(telling, source=arguments.data, keep=arguments.keep)
    except (CommandError, DataError, BuildError, ClusterStartError) as error:
        sys.exit(f"make demo: {error}")
    except KeyboardInterrupt:
        sys.exit("make demo: stopped; nothing is left running")
    arguments.report.write_text(json.dumps([act.report() for act in acts], indent=1) + "\n", encoding="utf-8")
    _conclude(telling, acts, arguments.report)
    sys.exit(0 if all(act.is_as_expected for act in acts) else 1)


def _demo(telling: Telling, *, source: Path | None, keep: bool) -> list[Act]:
    shutil.rmtree(DIRECTORY / "work", ignore_errors=True)
    work = DIRECTORY / "work"
    work.mkdir(parents=True)
    with concurrent.futures.ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as stack:
        # The control plane is built while the runs are trained; once built, this is a look into the cache.
        building = pool.submit(build_all)
        halves = _transactions(telling, source, work)
        runs = _train(telling, halves, work)
        with telling.phase("control plane"):
            building.result()
        with telling.phase("cluster") as found:
            cluster = start_cluster(
                directory=DIRECTORY / "cluster", images=IMAGES, scrape_interval_seconds=1, is_detached=keep
            )
            stack.callback(lambda: None if keep else cluster.close())
            found.append(f"API server, controllers and Prometheus on {cluster.prometheus_url}")
        installation = Installation(kubeconfig=cluster.kubeconfig, directory=work)
        token = secrets.token_hex(16)
        with telling.phase("operator"):
            installation.install_operator(prometheus_url=cluster.prometheus_url)
            rules = (work / "rules.yaml").read_text(encoding="utf-8")
            installation.prepare(registry=work / "registry", rules=rules, token=token)
        traffic = Traffic(rows=halves.traffic, token=token, rate=RATE, addresses=installation.ready_pods)
        stack.callback(traffic.stop)
        traffic.start()
        telling.say(f"traffic        {RATE:g} transactions a second, as soon as pods are ready")
        acts = _play_all(telling, installation, traffic, runs)
        traffic.stop()
        telling.say(f"traffic        {traffic.sent} answered, {traffic.failed} not")
        if keep:
            _tell_how_to_look_around(telling, cluster, token)
        return acts


def _transactions(telling: Telling, source: Path | None, work: Path) -> Halves:
    with telling.phase("transactions") as found:
        if source is None:
            source = work / "transactions.csv"
            run(["serin", "generate", "--rows", "30000", "--seed", "1", "--out", str(source)])
        halves = data.split(source)
        found.append(f"{len(halves.training)} to train on, {len(halves.traffic)} later ones as traffic")
    return halves


def _train(telling: Telling, halves: Halves, work: Path) -> Sequence[str]:
    """Train the three runs, each by `serin train` on a CSV of its own."""
    sources = {
        "today": halves.training,
        "outdated": data.outdated(halves.training),
        "terse": data.without_descriptions(halves.training),
    }
    names = []
    for name, rows in sources.items():
        with telling.phase(f"train {name}") as found:
            data.write(work / f"{name}.csv", rows)
            command = ["serin", "train", "--data", str(work / f"{name}.csv"), "--registry", str(work / "registry")]
            report = json.loads(run(command))
            found.append(f"{report['run_directory']}, macro F1 {report['val_f1_macro']:.3f}, {report['deploy_reason']}")
            names.append(str(report["run_directory"]))
    with telling.phase("rules"):
        run(["serin", "rules", "suggest", "--data", str(work / "today.csv"), "--out", str(work / "rules.yaml")])
    return names


def _play_all(telling: Telling, installation: Installation, traffic: Traffic, runs: Sequence[str]) -> list[Act]:
    sound, outdated, terse = runs
    acts = [
        Act("A sound run, against the rules", sound, "Promoted", 100.0),
        Act("A run trained on an outdated taxonomy: good offline, bad online", outdated, "RolledBack", 0.0),
        Act(
            f"A run that reads only merchants, until at {TURNS_BAD_AT:g} % the terminals change what they print",
            terse,
            "RolledBack",
            TURNS_BAD_AT,
        ),
    ]
    for act, turns_bad_at in zip(acts, (None, None, TURNS_BAD_AT), strict=True):
        play(act, Theatre(installation, telling, traffic), turns_bad_at=turns_bad_at, limit=LONGEST_ACT)
    return acts


def _conclude(telling: Telling, acts: Sequence[Act], report: Path) -> None:
    telling.say("--- Summary")
    for act in acts:
        mark = "ok " if act.is_as_expected else "NOT"
        ended = f"{act.outcome} at {act.most_users:g} %"
        expected = f"{act.expected} at {act.expected_percent:g} %"
        telling.say(f"{mark} {act.run_id}: {ended} (expected {expected}) after {act.seconds:.1f} s")
        if act.history:
            telling.say(f"       {act.history[-1]['message']}")
        if act.seconds_to_confirm is not None:
            users = f"{act.most_users:g} % of users had it" if act.most_users else "no user ever saw it"
            telling.say(
                f"       {users}; at 0 %, confirmed by every pod, {act.seconds_to_confirm:.1f} s after the verdict"
            )
    telling.say(f"report         {report}")


def _tell_how_to_look_around(telling: Telling, cluster: Cluster, token: str) -> None:
    telling.say("left running; end it with `make cluster-down DIR=.demo/cluster`")
    telling.say(f"    export KUBECONFIG={cluster.kubeconfig} PATH={BIN}:$PATH")
    telling.say(f"    kubectl get sgm -n {NAMESPACE}; kubectl serin status {NAME} -n {NAMESPACE}")
    telling.say(f"    Prometheus: {cluster.prometheus_url}   bearer token of the server: {token}")


if __name__ == "__main__":
    main()
