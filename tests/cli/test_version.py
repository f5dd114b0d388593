"""version, against a cluster that is a dictionary."""

import json
from importlib.metadata import version as version_of

import pytest
from cli.fakes import FakeCluster, run
from typer.testing import CliRunner

from serin_cli import version
from serin_cli.kubernetes_client import Cluster
from serin_cli.request_errors import ClusterError
from serin_cli.version_text import operator_of

OWN = version_of("serin")
IMAGE = "registry.example.com:5000/serin-dev/serin-operator"


def deployment(image=f"{IMAGE}:{OWN}", labels=None):
    return {
        "metadata": {"namespace": "serin-system", "name": "serin-operator", "labels": labels},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"image": image}]}}},
        "status": {"readyReplicas": 1},
    }


class Installed(FakeCluster):
    def __init__(self, *deployments, error=None):
        super().__init__()
        self.deployments, self.error = deployments, error

    def version(self):
        return "v1.34.1"

    def operators(self):
        if self.error:
            raise self.error
        return list(self.deployments)


@pytest.fixture
def serin(monkeypatch):
    return lambda cluster, *arguments: run(monkeypatch, version.app, cluster, *arguments)


def test_versions_of_client_operator_and_cluster(serin):
    said = serin(Installed(deployment()))
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout.splitlines() == [
        f"client       {OWN}",
        f"operator     {OWN}     serin-system/serin-operator, 1/2 ready, {IMAGE}:{OWN}",
        "kubernetes   v1.34.1",
    ]


def test_another_version_of_the_operator_is_named_with_what_to_install(serin):
    said = serin(Installed(deployment(f"{IMAGE}:v9.9.0")))
    assert said.exit_code == 0
    assert said.stderr == (
        f"serin: client {OWN} and operator 9.9.0 in serin-system differ; use the version of the operator: "
        "pip install 'serin[cli]==9.9.0'\n"
    )


@pytest.mark.parametrize(
    ("image", "labels", "found"),
    [
        (IMAGE, None, "unknown"),
        (f"{IMAGE}@sha256:{'a' * 64}", {"app.kubernetes.io/version": "0.3.0"}, "0.3.0"),
        (f"{IMAGE}:0.2.0@sha256:{'a' * 64}", {"app.kubernetes.io/version": "0.3.0"}, "0.2.0"),
    ],
)
def test_the_version_is_the_tag_or_that_of_the_label(image, labels, found):
    assert operator_of(deployment(image, labels))["version"] == found


def test_a_deployment_that_cannot_be_read_is_no_failure(serin):
    said = serin(Installed(error=ClusterError("the API server answered 403 Forbidden")))
    assert said.exit_code == 0
    assert (
        "operator     unknown   its Deployment cannot be read: the API server answered 403 Forbidden\n" in said.stdout
    )


def test_without_an_operator_it_says_so(serin):
    assert "operator     none      no Deployment has the label" in serin(Installed()).stdout


def test_without_a_cluster_the_client_is_shown_and_the_error(monkeypatch, serin):
    said = serin(Installed(), "--client")
    assert (said.exit_code, said.stdout) == (0, f"client   {OWN}\n")

    def away(**_):
        raise ClusterError("no usable kubeconfig: none")

    monkeypatch.setattr(Cluster, "connect", away)
    said = CliRunner().invoke(version.app, [])
    assert (said.exit_code, said.stdout) == (1, f"client   {OWN}\n")
    assert said.stderr == "serin: no usable kubeconfig: none\n"


def test_versions_for_scripts(serin):
    found = json.loads(serin(Installed(deployment()), "-o", "json").stdout)
    assert found["operators"][0]["ready"] == "1/2"
    assert (found["client"], found["kubernetes"]) == (OWN, "v1.34.1")
