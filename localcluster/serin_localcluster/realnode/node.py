"""Starts a node and gives its caller a way into it.

with start_node(directory=...) as node, node.network(): ...
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from serin_localcluster.build import NODE, build
from serin_localcluster.processes import tail
from serin_localcluster.realnode.configuration import NETWORKS
from serin_localcluster.realnode.inside import NodeError, run
from serin_localcluster.realnode.machine import prepare_machine
from serin_localcluster.supervisor import start_time

START_SECONDS: Final = 240.0
STOP_SECONDS: Final = 60.0
_CLONE_NEWNET: Final = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class RealNode:
    """A running node."""

    directory: Path
    family: str
    _keeper: "subprocess.Popen[bytes] | None" = None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; its address exists only in the node's network."""
        return self.directory / "kubeconfig"

    @property
    def prometheus_url(self) -> str:
        """Prometheus's address in the node's network; in pods also http://prometheus-server.monitoring.svc."""
        return NETWORKS[self.family].prometheus

    @property
    def holder(self) -> int:
        """The process whose end is the node's end."""
        return int((self.directory / "holder").read_text(encoding="utf-8"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the node, and wait until nothing of it is left."""
        if self._keeper is not None:
            self._keeper.terminate()
            self._keeper.wait(timeout=STOP_SECONDS)

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Put this thread, and the threads and processes that it starts, into the node's network."""
        with Path("/proc/thread-self/ns/net").open() as own, Path(f"/proc/{self.holder}/ns/net").open() as node:
            _set_network(node.fileno())
            try:
                yield
            finally:
                _set_network(own.fileno())

    def enter(self) -> list[str]:
        """Return the beginning of a command that runs in all namespaces of the node."""
        processes = f"--pid=/proc/{self.holder}/ns/pid_for_children"
        return ["nsenter", f"--target={self.holder}", "--net", "--mount", "--cgroup", processes, "--"]

    def ctr(self, *arguments: str) -> str:
        """Run containerd's command line. Raises NodeError."""
        return run(*self.enter(), *build(["ctr"])["ctr"], "-n", "k8s.io", *arguments)

    def import_images(self, archives: Iterable[Path]) -> list[str]:
        """Import archives into containerd, and return the names of all its images. Raises NodeError."""
        for archive in archives:
            self.ctr("images", "import", "--local", str(archive.absolute()))
        return [name for name in self.ctr("images", "list", "-q").splitlines() if not name.startswith("sha256:")]


def start_node(*, directory: Path, family: str = "ipv4", is_detached: bool = False) -> RealNode:
    """Start a node with its files in a directory; end one that was left there first.

    A detached node outlives this process; any other ends with it. Raises MachineError, BuildError, NodeError.
    """
    prepare_machine(user=os.geteuid())
    programs = build(NODE)
    directory = directory.absolute()
    stop_node(directory)
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "logs").mkdir(parents=True)
    plan = {"programs": programs, "family": family, "is_detached": is_detached}
    (directory / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    with (directory / "node.log").open("ab") as log:
        keeper = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "serin_localcluster.realnode.keeper", str(directory)],
            stdin=subprocess.DEVNULL if is_detached else subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    state = {"pid": keeper.pid, "start_time": start_time(keeper.pid), "family": family}
    (directory / "keeper.json").write_text(json.dumps(state), encoding="utf-8")
    _wait_until_ready(directory, keeper)
    return RealNode(directory, family, None if is_detached else keeper)


def running_node(directory: Path) -> RealNode | None:
    """Return the detached node of a directory, if it is running."""
    with contextlib.suppress(OSError, ValueError):
        state = json.loads((directory / "keeper.json").read_text(encoding="utf-8"))
        if start_time(state["pid"]) == state["start_time"]:
            return RealNode(directory.absolute(), state["family"])
    return None


def stop_node(directory: Path) -> bool:
    """End the node of a directory; return whether one was running."""
    if running_node(directory) is None:
        return False
    state = json.loads((directory / "keeper.json").read_text(encoding="utf-8"))
    os.kill(state["pid"], signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while start_time(state["pid"]) == state["start_time"] and time.monotonic() < deadline:
        time.sleep(0.05)
    return True


def _wait_until_ready(directory: Path, keeper: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (directory / "ready.json").exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            keeper.terminate()
            raise NodeError(f"the node did not start; {directory}/node.log ends:\n{tail(directory / 'node.log')}")
        time.sleep(0.05)
    found = json.loads((directory / "ready.json").read_text(encoding="utf-8"))
    if "error" in found:
        keeper.wait(timeout=STOP_SECONDS)
        raise NodeError(f"the node did not start: {found['error']}")


def _set_network(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise NodeError(f"cannot enter a network namespace: {os.strerror(ctypes.get_errno())}")
