"""`python -m serin_localcluster build|up|down|status`: what `make cluster` and `make cluster-down` run."""

import argparse
import json
import sys
from pathlib import Path

from serin_localcluster.build import BuildError
from serin_localcluster.cluster import ClusterStartError, end_leftover, start_cluster
from serin_localcluster.programs import find_programs
from serin_localcluster.supervisor import READY, STATE, start_time

BIN = Path(sys.executable).parent
IMAGES = {"*serin-operator:*": [str(BIN / "serin-operator")], "*serin-server:*": [str(BIN / "serin-server")]}


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m serin_localcluster", description=__doc__)
    parser.add_argument("command", choices=("build", "up", "down", "status"))
    parser.add_argument("--directory", type=Path, default=Path(".cluster"), help="where it lives (%(default)s)")
    arguments = parser.parse_args()
    try:
        {"build": _build, "up": _up, "down": _down, "status": _status}[arguments.command](arguments.directory)
    except (BuildError, ClusterStartError) as error:
        sys.exit(f"localcluster: {error}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _build(_directory: Path) -> None:
    find_programs()


def _up(directory: Path) -> None:
    cluster = start_cluster(directory=directory, images=IMAGES, is_detached=True)
    _say("A local cluster is up. To use it:")
    _say(f"  export KUBECONFIG={cluster.kubeconfig} PATH={BIN}:$PATH")
    _say("  kubectl get nodes")
    _say("  kubectl apply --server-side -k manifests/default")
    _say(f"Prometheus: {cluster.prometheus_url}   logs: {directory}/logs   end it: make cluster-down")


def _down(directory: Path) -> None:
    _say("ended" if end_leftover(directory) else "no local cluster was running")


def _status(directory: Path) -> None:
    try:
        state = json.loads((directory / STATE).read_text(encoding="utf-8"))
        ready = json.loads((directory / READY).read_text(encoding="utf-8"))
    except OSError:
        sys.exit("no local cluster is running")
    if start_time(state["pid"]) != state["start_time"]:
        sys.exit("no local cluster is running")
    _say(f"running; KUBECONFIG={ready['kubeconfig']}; Prometheus {ready['prometheus_url']}")


if __name__ == "__main__":
    main()
