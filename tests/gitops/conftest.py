"""Argo CD beside the cluster of the end-to-end tests."""

import secrets
import shutil

import pytest
from e2e.conftest import Rollout, check_endpoint, cluster, installed, registry, rollout  # noqa: F401 - fixtures
from gitops.argocd import Application, ArgoCD

from serin_localcluster.build import binaries


@pytest.fixture(scope="session")
def program():
    """Argo CD's program. It is built by `make test-gitops`."""
    (found,) = binaries(["argocd"])
    if not found.path.exists():
        pytest.skip("Argo CD is not built: make test-gitops")
    return found.path


@pytest.fixture(scope="session")
def argocd(request, program, tmp_path_factory):
    """Argo CD, started once."""
    if shutil.which("redis-server") is None:
        pytest.skip("Argo CD needs redis-server on the PATH (Debian's package redis-server)")
    made = ArgoCD(program, request.getfixturevalue("installed"), tmp_path_factory.mktemp("argocd") / "argocd")
    made.start()
    yield made
    made.processes.close()


@pytest.fixture
def application(argocd):
    """Return a function that makes an application; it exists until the test ends."""
    made = []

    def make(namespace, *objects, options=()):
        one = Application(argocd, f"app-{secrets.token_hex(4)}", namespace, options=options)
        one.push(*objects)
        made.append(one)
        one.create()
        one.wait_for_the_resource()
        return one

    yield make
    for one in made:
        one.close()
