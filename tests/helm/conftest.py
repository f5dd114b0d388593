"""A real Helm, and one local cluster for all tests that install the chart."""

import sys
from pathlib import Path

import pytest
from helm.chart import Helm

from serin_localcluster.build import build
from serin_localcluster.cluster import given_cluster, start_cluster

BIN = Path(sys.executable).parent
IMAGES = {"*serin-operator:*": [str(BIN / "serin-operator")], "*serin-server:*": [str(BIN / "serin-server")]}


@pytest.fixture(scope="session")
def program():
    return build(["helm"])["helm"][0]


@pytest.fixture(scope="session")
def helm(program, tmp_path_factory):
    return Helm(program, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The cluster of KUBECONFIG if SERIN_TEST_CLUSTER=1, else one for this session."""
    given = given_cluster()
    if given is not None:
        yield given
        return
    with start_cluster(
        directory=tmp_path_factory.mktemp("cluster") / "local", images=IMAGES, restart_backoff_seconds=1
    ) as started:
        yield started
