"""Programs beside Prometheus, built once by `make test-backends`."""

import contextlib
import socket
import subprocess
import time

import pytest
from counting.conftest import exporter, pods, uid  # noqa: F401 - fixtures
from e2e.conftest import Rollout, cluster, installed, registry, rollout  # noqa: F401 - fixtures

from serin_localcluster.build import binaries
from serin_localcluster.processes import die_with_parent
from serin_localcluster.prometheus import find


@pytest.fixture(scope="package")
def program():
    return find()


def built(name):
    """Return a program, or skip where it has not been built."""
    (found,) = binaries([name])
    if not found.path.exists():
        pytest.skip(f"{name} is not built: make test-backends")
    return found.path


class Processes:
    """Processes with their logs in a directory; all are ended at the end."""

    def __init__(self, directory):
        self.directory, self._stack = directory, contextlib.ExitStack()
        directory.mkdir(parents=True, exist_ok=True)

    def start(self, name, *argv):
        with (self.directory / f"{name}.log").open("wb") as log:
            started = subprocess.Popen(
                [str(part) for part in argv],
                stdout=log,
                stderr=log,
                cwd=self.directory,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - before any test starts a thread
            )
        self._stack.callback(self._end, started)
        return started

    @staticmethod
    def _end(process):
        process.terminate()
        process.wait(timeout=20)

    def wait_for_port(self, port, *, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            assert time.monotonic() < deadline, f"nothing listens on port {port}; see {self.directory}/*.log"
            time.sleep(0.1)

    def close(self):
        self._stack.close()


@pytest.fixture(scope="package")
def processes(tmp_path_factory):
    made = Processes(tmp_path_factory.mktemp("backends") / "logs")
    yield made
    made.close()
