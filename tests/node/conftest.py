"""One real node with the project's images and its manifests, unchanged, for all tests of this folder."""

import dataclasses
import json
import os
import secrets
import shutil
import socket
from pathlib import Path

import pytest
from e2e.conftest import Registry, Rollout, synthetic, train

from serin_demo import data
from serin_demo.installation import OPERATOR_NAMESPACE, ROOT, Installation
from serin_localcluster.realnode.node import start_node

IMAGES = Path(os.environ.get("SERIN_NODE_IMAGES", ROOT / ".images"))
MANIFESTS = ROOT / "manifests" / "default"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


@pytest.fixture(scope="session")
def allowed():
    """Skip where a node cannot be started."""
    if os.geteuid() != 0:
        pytest.skip("a real node needs root")


@pytest.fixture(scope="session")
def node(allowed, tmp_path_factory):
    """A node with the images; this process is in its network from here on."""
    with start_node(directory=tmp_path_factory.mktemp("node") / "real") as started:
        started.import_images(image_archives())
        with started.network():
            yield started


def image_archives():
    archives = [IMAGES / f"serin-{name}.tar" for name in ("operator", "server")]
    assert all(archive.exists() for archive in archives), "build them with `make node-images`"
    return archives


@dataclasses.dataclass(frozen=True)
class NodeInstallation(Installation):
    """kubectl against the node, and the manifests as they are."""

    def install(self, kustomization=MANIFESTS):
        self.kubectl("apply", "--server-side", "-k", str(kustomization))
        self.kubectl("rollout", "status", "deployment/serin-operator", "-n", OPERATOR_NAMESPACE, "--timeout=120s")


@pytest.fixture(scope="session")
def installed(node):
    # kustomize takes resources only by a path relative to the overlay's own.
    work = ROOT / ".demo" / f"node-{os.getpid()}"
    installation = NodeInstallation(kubeconfig=node.kubeconfig, directory=work)
    installation.install()
    yield installation
    shutil.rmtree(work, ignore_errors=True)


@pytest.fixture(scope="session")
def registry(allowed, tmp_path_factory):
    """A good run, and one that only reads merchant names, which is bad as soon as their format changes."""
    folder = tmp_path_factory.mktemp("registry")
    halves = synthetic(folder)
    made = train(folder, {"good": halves.training, "terse": data.without_descriptions(halves.training)})
    # The pods have another user than this process.
    for parent in (folder, *folder.parents[:-1]):
        if parent.is_relative_to(tmp_path_factory.getbasetemp().parent):
            parent.chmod(0o755)
    return NodeRegistry(**made, outdated="", poor="", traffic=list(halves.traffic))


@dataclasses.dataclass(frozen=True)
class NodeRegistry(Registry):
    """Runs that are trained once for all tests."""

    terse: str


class NodeRollout(Rollout):
    """One SuggestionModel in a namespace that admits only restricted pods."""

    def prepare(self, registry):
        super().prepare(registry)
        self.installed.kubectl("label", "namespace", self.namespace, RESTRICTED)

    def service(self):
        """Return the address of the Service: requests go through the rules of kube-proxy."""
        found = json.loads(self.kubectl("get", "service", self.name, "-o", "json"))
        return [f"{found['spec']['clusterIP']}:80"]

    def is_ready(self):
        return len(self.addresses()) == 2

    def send_to_service(self, rows, rate=200):
        self.wait(lambda _: self.is_ready(), what="two ready pods")
        # kube-proxy hears of the pods a moment after they are ready.
        self.wait(lambda _: all(map(accepts, self.service())), what="a Service that leads to the pods")
        traffic = self.send(rows, rate)
        traffic.addresses = self.service
        return traffic

    def lost_nothing(self, *, transactions=1000):
        """Wait for more answers and check that none has failed since the beginning."""
        before = self.traffic.sent
        self.wait(lambda _: self.traffic.sent - before >= transactions, what=f"{transactions} more answers")
        assert (self.traffic.failed, self.is_ready()) == (0, True)


def accepts(address):
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def bare(installed, node):
    """Return a function that makes a rollout in a namespace of its own, and what a test does before with it."""
    made = []

    def make(registry):
        rollout = NodeRollout(installed, node, f"test-{secrets.token_hex(4)}")
        made.append(rollout)
        rollout.prepare(registry)
        return rollout

    yield make
    for rollout in made:
        rollout.close()


@pytest.fixture
def rollout(bare, registry):
    """A namespace with everything that a SuggestionModel references."""
    return bare(registry)
