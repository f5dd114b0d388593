"""A real Helm, and one local cluster for all tests that install the chart."""

import pytest
from e2e.conftest import cluster  # noqa: F401 - a fixture
from helm.chart import Helm

from serin_localcluster.build import build


@pytest.fixture(scope="session")
def program():
    return build(["helm"])["helm"][0]


@pytest.fixture(scope="session")
def helm(program, tmp_path_factory):
    return Helm(program, tmp_path_factory.mktemp("helm"))
