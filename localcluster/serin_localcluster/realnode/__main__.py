"""`python -m serin_localcluster.realnode check|build|up|down`: the program of `make node` and `make node-down`."""

import argparse
import os
import sys
from pathlib import Path

from serin_localcluster.build import NODE, BuildError, build
from serin_localcluster.realnode.configuration import NETWORKS
from serin_localcluster.realnode.inside import NodeError
from serin_localcluster.realnode.machine import MachineError, prepare_machine
from serin_localcluster.realnode.node import start_node, stop_node


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m serin_localcluster.realnode", description=__doc__)
    parser.add_argument("command", choices=("check", "build", "up", "down"))
    parser.add_argument("--directory", type=Path, default=Path(".node"), help="its directory (%(default)s)")
    parser.add_argument("--images", type=Path, default=Path(".images"), help="OCI archives to import (%(default)s)")
    parser.add_argument("--family", choices=tuple(NETWORKS), default="ipv4", help="of its addresses (%(default)s)")
    arguments = parser.parse_args()
    try:
        if arguments.command == "check":
            prepare_machine(user=os.geteuid())
        elif arguments.command == "build":
            prepare_machine(user=os.geteuid())
            build(NODE)
        elif arguments.command == "up":
            _up(arguments.directory, arguments.images, arguments.family)
        else:
            _print("stopped" if stop_node(arguments.directory) else "no node was running")
    except (BuildError, MachineError, NodeError) as error:
        sys.exit(f"node: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _up(directory: Path, images: Path, family: str) -> None:
    node = start_node(directory=directory, family=family, is_detached=True)
    imported = [name for name in node.import_images(sorted(images.glob("*.tar"))) if "serin" in name]
    _print("The node is running. Its addresses exist only in its own network. To use it:")
    _print(f"  export KUBECONFIG={node.kubeconfig} PATH={Path(sys.executable).parent}:$PATH")
    _print(f"  nsenter --net=/proc/{node.holder}/ns/net kubectl get pods -A")
    _print(f"  {' '.join(node.enter()[:-1])}   # a shell with all of its namespaces: containers, mounts, rules")
    _print(f"Images: {', '.join(imported) or 'none; build them with `make node-images`'}")
    _print(f"Prometheus: {node.prometheus_url}   logs: {directory}/logs   stop: make node-down")


if __name__ == "__main__":
    main()
