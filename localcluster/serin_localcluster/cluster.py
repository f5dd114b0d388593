"""A Kubernetes cluster: an existing one, or a local one that is started here.

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
from typing import Any, Self

from serin_localcluster.node.pod import STALE_VOLUMES
from serin_localcluster.programs import find_programs
from serin_localcluster.supervisor import READY, STATE, start_time

START_SECONDS = 120.0
STOP_SECONDS = 40.0


_BIN = Path(sys.executable).parent
OWN_IMAGES = {
    f"*{program}:*": [str(_BIN / program)] for program in ("serin-operator", "serin-server", "serin-dashboard")
}
"""Programs of this environment that run instead of the project's own images."""


class ClusterStartError(RuntimeError):
    """A cluster could not be started. The message has the program and the cause."""


@dataclass
class Cluster:
    """A running cluster. Closing it ends everything that was started for it."""

    kubeconfig: Path
    prometheus_url: str
    directory: Path | None = None
    _supervisor: "subprocess.Popen[str] | None" = None
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def is_local(self) -> bool:
        """Whether it was started here, so that tests may stop its parts."""
        return self.directory is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything that was started for this cluster, and wait for its end."""
        if self._supervisor is None or self._supervisor.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            self._supervisor.stdin.close()
        try:
            self._supervisor.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()

    def stop_prometheus(self) -> None:
        """Stop Prometheus and keep its data."""
        self._command("stop prometheus")

    def start_prometheus(self) -> None:
        """Start Prometheus again at the same address."""
        self._command("start prometheus")

    def stop_refreshing_volumes(self) -> None:
        """Let the mounted files of all pods stay as they are, as on a node whose kubelet is down."""
        self._stale_volumes.touch()

    def start_refreshing_volumes(self) -> None:
        """Refresh mounted files again."""
        self._stale_volumes.unlink(missing_ok=True)

    @property
    def _stale_volumes(self) -> Path:
        if self.directory is None:
            raise ClusterStartError("only the volumes of a local cluster can be left as they are")
        return self.directory / "node" / STALE_VOLUMES

    def pod_process_ids(self, namespace: str, pod: str) -> list[int]:
        """Return the process ids of a pod's running containers."""
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
        _wait_for(self.directory / f"done-{number}", self._supervisor, START_SECONDS)


def start_cluster(  # noqa: PLR0913 - settings with defaults
    *,
    directory: Path,
    images: Mapping[str, Sequence[str]],
    scrape_interval_seconds: float = 2,
    kubelet_sync_seconds: float = 60,
    restart_backoff_seconds: float = 10,
    environment: Mapping[str, str] | None = None,
    is_detached: bool = False,
) -> Cluster:
    """Start a local cluster with its files in `directory`; stop one that was left there first.

    `images` maps patterns of image references to the commands that run as their entry points. A detached cluster
    outlives this process; any other ends with it, even if it is killed. Raises BuildError, ClusterStartError.
    """
    stop_leftover(directory)
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
        supervisor = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "serin_localcluster.supervisor", str(directory.absolute())],
            stdin=subprocess.DEVNULL if is_detached else subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
            # Ctrl-C reaches only the caller; the supervisor stops when the pipe is closed.
            start_new_session=True,
        )
    ready = _wait_for(directory / READY, supervisor, START_SECONDS)
    if "error" in ready:
        raise ClusterStartError(f"the local cluster did not start: {ready['error']}")
    return Cluster(
        kubeconfig=Path(ready["kubeconfig"]),
        prometheus_url=ready["prometheus_url"],
        directory=directory,
        _supervisor=None if is_detached else supervisor,
    )


def given_cluster() -> Cluster | None:
    """Return the cluster of KUBECONFIG if SERIN_TEST_CLUSTER=1 allows its use, else None."""
    if os.environ.get("SERIN_TEST_CLUSTER") != "1" or not os.environ.get("KUBECONFIG"):
        return None
    return Cluster(
        kubeconfig=Path(os.environ["KUBECONFIG"]),
        prometheus_url=os.environ.get("SERIN_TEST_PROMETHEUS", "http://prometheus-server.monitoring.svc"),
    )


def running_state(directory: Path) -> dict[str, Any] | None:
    """Return the state of the cluster that runs in a directory, None if there is none."""
    try:
        state: dict[str, Any] = json.loads((directory / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    # The process id may have been reused since.
    return state if start_time(int(state["pid"])) == state["start_time"] else None


def stop_leftover(directory: Path) -> bool:
    """Stop the cluster whose state is in a directory; return whether one was running."""
    state = running_state(directory)
    if state is None:
        return False
    pid = int(state["pid"])
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while start_time(pid) == state["start_time"]:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + STOP_SECONDS
        time.sleep(0.05)
    return True


def _wait_for(path: Path, supervisor: "subprocess.Popen[str]", seconds: float) -> dict[str, str]:
    deadline = time.monotonic() + seconds
    while not path.exists():
        if supervisor.poll() is not None and not path.exists():
            log = path.parent / "supervisor.log"
            raise ClusterStartError(f"the local cluster ended; {log} ends:\n{log.read_text()[-800:]}")
        if time.monotonic() > deadline:
            raise ClusterStartError(f"the local cluster did not start within {seconds:g} s; see {path.parent}/logs")
        time.sleep(0.05)
    return dict(json.loads(path.read_text(encoding="utf-8")))
