"""A Kubernetes cluster to work with: one that is given, or a local one that is started here.

with start_cluster(directory=..., images=...) as cluster: ...
"""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from serin_localcluster.programs import find_programs
from serin_localcluster.supervisor import READY, STATE, start_time

START_WITHIN = 120.0
END_WITHIN = 40.0


class ClusterStartError(RuntimeError):
    """A cluster could not be started or reached. The message says which part, and why."""


@dataclass
class Cluster:
    """A cluster that is up. Closing it ends everything that was started for it."""

    kubeconfig: Path
    prometheus_url: str
    directory: Path | None = None
    _supervisor: "subprocess.Popen[str] | None" = None
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def is_local(self) -> bool:
        """Answer whether it was started here, so that its parts may be stopped by tests."""
        return self.directory is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything that was started for this cluster, and wait until it has ended."""
        if self._supervisor is None or self._supervisor.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._supervisor.stdin.close()
        try:
            self._supervisor.wait(timeout=END_WITHIN)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()

    def stop_prometheus(self) -> None:
        """End Prometheus; its data stays."""
        self._command("stop prometheus")

    def start_prometheus(self) -> None:
        """Start Prometheus again, on the same address."""
        self._command("start prometheus")

    def pod_process_ids(self, namespace: str, pod: str) -> list[int]:
        """Answer the process ids of a pod's running containers."""
        if self.directory is None:
            return []
        pids = (self.directory / "node" / "pods").glob(f"{namespace}_{pod}_*/*.pid")
        return [int(path.read_text()) for path in pids]

    def _command(self, text: str) -> None:
        if self._supervisor is None or self._supervisor.stdin is None or self.directory is None:
            raise ClusterStartError(f"{text!r} needs a local cluster that this process has started")
        number = next(self._numbers)
        self._supervisor.stdin.write(f"{number} {text}\n")
        self._supervisor.stdin.flush()
        _wait_for(self.directory / f"done-{number}", self._supervisor, START_WITHIN)


def start_cluster(  # noqa: PLR0913 - each is a dial of the node, with a sane default
    *,
    directory: Path,
    images: Mapping[str, Sequence[str]],
    scrape_interval_seconds: float = 2,
    kubelet_sync_seconds: float = 60,
    restart_backoff_seconds: float = 10,
    environment: Mapping[str, str] | None = None,
    is_detached: bool = False,
) -> Cluster:
    """Start a local cluster in a directory of its own; one that was left there is ended first.

    `images` maps patterns of image references to the command that stands for their entry point. A detached cluster
    outlives this process; every other ends with it, however it ends. Raises BuildError, ClusterStartError.
    """
    end_leftover(directory)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    plan = {
        "directory": str(directory.absolute()),
        "programs": find_programs(),
        "images": {pattern: list(argv) for pattern, argv in images.items()},
        "environment": dict(environment or {}),
        "scrape_interval_seconds": scrape_interval_seconds,
        "kubelet_sync_seconds": kubelet_sync_seconds,
        "restart_backoff_seconds": restart_backoff_seconds,
        "is_detached": is_detached,
    }
    (directory / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    with (directory / "supervisor.log").open("w") as log:
        supervisor = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "serin_localcluster.supervisor", str(directory.absolute())],
            stdin=subprocess.DEVNULL if is_detached else subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
            # Ctrl-C is for the caller; the end of the pipe tells the supervisor.
            start_new_session=True,
        )
    ready = _wait_for(directory / READY, supervisor, START_WITHIN)
    if "error" in ready:
        raise ClusterStartError(f"the local cluster did not start: {ready['error']}")
    return Cluster(
        kubeconfig=Path(ready["kubeconfig"]),
        prometheus_url=ready["prometheus_url"],
        directory=directory,
        _supervisor=None if is_detached else supervisor,
    )


def given_cluster() -> Cluster | None:
    """Answer the cluster that KUBECONFIG names if SERIN_TEST_CLUSTER=1 allows its use, else None."""
    if os.environ.get("SERIN_TEST_CLUSTER") != "1" or not os.environ.get("KUBECONFIG"):
        return None
    return Cluster(
        kubeconfig=Path(os.environ["KUBECONFIG"]),
        prometheus_url=os.environ.get("SERIN_TEST_PROMETHEUS", "http://prometheus-server.monitoring.svc"),
    )


def end_leftover(directory: Path) -> bool:
    """End the cluster that a directory's state names, if it still runs; answer whether one did."""
    try:
        state = json.loads((directory / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    pid = int(state["pid"])
    # The pid may have been given to somebody else since.
    if start_time(pid) != state["start_time"]:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + END_WITHIN
    while start_time(pid) == state["start_time"]:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + END_WITHIN
        time.sleep(0.05)
    return True


def _wait_for(path: Path, supervisor: "subprocess.Popen[str]", seconds: float) -> dict[str, str]:
    deadline = time.monotonic() + seconds
    while not path.exists():
        if supervisor.poll() is not None and not path.exists():
            log = path.parent / "supervisor.log"
            raise ClusterStartError(f"the local cluster ended; {log} ends:\n{log.read_text()[-800:]}")
        if time.monotonic() > deadline:
            raise ClusterStartError(f"the local cluster did not answer within {seconds:g} s; see {path.parent}/logs")
        time.sleep(0.05)
    return dict(json.loads(path.read_text(encoding="utf-8")))
