"""`python -m serin_localcluster build|up|down|status`: the program of `make cluster` and `make cluster-down`.

`build` compiles what a cluster lacks; with `--with PROGRAM ...`, programs too that only some tests need.
"""

import argparse
import json
import sys
from pathlib import Path

from serin_localcluster.build import MODULES, BuildError, build
from serin_localcluster.chromium import find_chromium
from serin_localcluster.cluster import OWN_IMAGES, ClusterStartError, running_state, start_cluster, stop_leftover
from serin_localcluster.programs import find_programs
from serin_localcluster.supervisor import READY

BIN = Path(sys.executable).parent


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m serin_localcluster", description=__doc__)
    parser.add_argument("command", choices=("build", "up", "down", "status"))
    parser.add_argument("--directory", type=Path, default=Path(".cluster"), help="its directory (%(default)s)")
    parser.add_argument(
        "--with",
        dest="also",
        nargs="+",
        choices=(*MODULES, "chromium"),
        default=(),
        help="with `build`: programs for tests",
    )
    arguments = parser.parse_args()
    try:
        if arguments.command == "build":
            find_programs()
            build([name for name in arguments.also if name in MODULES])
            if "chromium" in arguments.also:
                find_chromium()
        else:
            {"up": _up, "down": _down, "status": _status}[arguments.command](arguments.directory)
    except (BuildError, ClusterStartError) as error:
        sys.exit(f"localcluster: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _up(directory: Path) -> None:
    cluster = start_cluster(directory=directory, images=OWN_IMAGES, is_detached=True)
    _print_line("The local cluster is running. To use it:")
    _print_line(f"  export KUBECONFIG={cluster.kubeconfig} PATH={BIN}:$PATH")
    _print_line("  kubectl get nodes")
    _print_line("  kubectl apply --server-side -k manifests/default")
    _print_line(f"Prometheus: {cluster.prometheus_url}   logs: {directory}/logs   stop: make cluster-down")


def _down(directory: Path) -> None:
    _print_line("stopped" if stop_leftover(directory) else "no local cluster was running")


def _status(directory: Path) -> None:
    if running_state(directory) is None or not (directory / READY).exists():
        sys.exit("no local cluster is running")
    ready = json.loads((directory / READY).read_text(encoding="utf-8"))
    _print_line(f"running; KUBECONFIG={ready['kubeconfig']}; Prometheus {ready['prometheus_url']}")


if __name__ == "__main__":
    main()
