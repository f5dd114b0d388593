"""The parent process of all processes of a local cluster.

It ends with its caller: the caller holds the other end of its standard input, a pipe, and the end of that pipe means
shutdown. Commands of fault tests come through the same pipe. A detached supervisor (`make cluster`) reads nothing and
ends on SIGTERM. If the supervisor is killed, the kernel ends its children.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from serin_localcluster.controlplane import ControlPlane, Credentials, StartError
from serin_localcluster.node import run_node
from serin_localcluster.node.pod import NodeSettings
from serin_localcluster.prometheus import Prometheus

STATE = "state.json"
READY = "ready.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """The configuration of a supervisor, from plan.json."""

    directory: Path
    programs: dict[str, list[str]]
    """The command that starts each program, by its name."""
    images: dict[str, list[str]]
    environment: dict[str, str]
    scrape_interval_seconds: float
    kubelet_sync_seconds: float
    restart_backoff_seconds: float
    is_detached: bool

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Read plan.json."""
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return cls(**found | {"directory": Path(found["directory"])})


def reserve_subnet() -> tuple[str, TextIO]:
    """Return a /24 of loopback addresses that no other cluster of this machine uses, and the lock that reserves it."""
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp") / f"serin-subnets-{os.getuid()}"  # noqa: S108
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(255):
        lock = (folder / str(number)).open("w")
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return f"127.77.{number}", lock
        lock.close()
    raise StartError("255 local clusters are running already; stop one with `make cluster-down`")


async def supervise(plan: Plan) -> None:
    """Run a cluster until it is asked to stop."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    subnet, lock = reserve_subnet()
    credentials = Credentials.make(plan.directory / "pki", node_address=f"{subnet}.1")
    control_plane = ControlPlane(plan.programs, plan.directory, credentials)
    prometheus = Prometheus(
        plan.programs["prometheus"],
        plan.directory / "prometheus",
        kubeconfig=control_plane.kubeconfig,
        scrape_interval_seconds=plan.scrape_interval_seconds,
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(lock.close)
        stack.push_async_callback(control_plane.stop)
        stack.push_async_callback(prometheus.stop)
        await control_plane.start()
        await prometheus.start()
        settings = NodeSettings(
            directory=plan.directory / "node",
            images=plan.images,
            environment=plan.environment,
            sync_seconds=plan.kubelet_sync_seconds,
            backoff_seconds=plan.restart_backoff_seconds,
            subnet=subnet,
        )
        node = asyncio.create_task(run_node(control_plane.kubeconfig, settings, credentials))
        stack.push_async_callback(_cancel, node)
        listener = None if plan.is_detached else asyncio.create_task(_listen(stopped, prometheus, plan.directory))
        ready = {"kubeconfig": str(control_plane.kubeconfig), "prometheus_url": prometheus.url, "subnet": subnet}
        _write(plan.directory / READY, ready)
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait({waiting, node}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if listener is not None:
            listener.cancel()
        if node.done() and not stopped.is_set():
            await node


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


async def _listen(stopped: asyncio.Event, prometheus: Prometheus, directory: Path) -> None:
    """Run the caller's commands, one per line, until it closes the pipe."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        number, command = line.decode().split(maxsplit=1)
        match command.strip():
            case "stop prometheus":
                await prometheus.stop()
            case "start prometheus":
                await prometheus.start()
        _write(directory / f"done-{number}", {})
    stopped.set()


def _write(path: Path, content: object) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content), encoding="utf-8")
    unfinished.rename(path)


def start_time(pid: int) -> str | None:
    """Return the start time of a process in clock ticks, None if there is none; a reused id has another."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def main() -> None:
    """Run the supervisor of the plan in the directory that is the only argument."""
    directory = Path(sys.argv[1])
    plan = Plan.read(directory / "plan.json")
    _write(directory / STATE, {"pid": os.getpid(), "start_time": start_time(os.getpid())})
    try:
        asyncio.run(supervise(plan))
    except StartError as error:
        _write(directory / READY, {"error": str(error)})
        sys.exit(1)
    finally:
        (directory / STATE).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
