"""Starts servers on one core and the load on the other, measures them from outside, and stops them by id.

Only processes that it started are signalled, and only loopback is used.
"""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE = 120.0


class StartError(RuntimeError):
    """A process that did not become ready. The message has the end of its output."""


def pinned(core: int):
    """Return what a child does first: use one core, with real-time priority if that is allowed.

    `nice` alone has little effect against the processes of other sessions.
    """

    def keep() -> None:
        os.sched_setaffinity(0, {core})
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))

    return keep


def has_priority() -> bool:
    """Return whether children may have real-time priority."""
    try:
        policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        os.sched_setscheduler(0, policy, parameters)
    except OSError:
        return False
    return True


def free_port() -> int:
    """Return a free port of loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@dataclass(frozen=True, slots=True)
class Running:
    """A server under load."""

    name: str
    url: str
    pids: tuple[int, ...]

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its processes so far."""
        total = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / _TICKS

    def pss_mib(self) -> float:
        """Return its proportional memory, from smaps_rollup."""
        return sum(_pss(pid) for pid in self.pids) / 1024


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def _descendants(pid: int) -> tuple[int, ...]:
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            found += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
    return tuple(found)


@contextlib.contextmanager
def started(  # noqa: PLR0913 - each one is given by name
    name: str, argv: Sequence[str], *, port: int, ready: str, environment: Mapping[str, str], folder: Path
) -> Iterator[Running]:
    """Start a server on the server's core, yield it once `ready` is 200, and stop it. Raises StartError."""
    log = folder / f"{name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            argv,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            preexec_fn=pinned(SERVER_CORE),  # noqa: PLW1509 - no thread of ours holds a lock here
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url + ready, process, log)
            yield Running(name, url, _descendants(process.pid))
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise StartError(f"{log.stem} did not become ready:\n{log.read_text()[-1500:]}")
