"""Programs beside Prometheus, built once by `make test-backends`."""

import pytest
from beside_cluster import Processes
from counting.conftest import exporter, pods, uid  # noqa: F401 - fixtures
from e2e.conftest import Rollout, check_endpoint, cluster, installed, registry, rollout  # noqa: F401 - fixtures

from serin_localcluster.build import binaries
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


@pytest.fixture(scope="package")
def processes(tmp_path_factory):
    made = Processes(tmp_path_factory.mktemp("backends") / "logs")
    yield made
    made.close()
