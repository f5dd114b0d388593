"""Which namespace the operator keeps its own objects in, by what its environment has."""

import socket

import pytest
import yaml
from kubernetes.aio.config import ConfigException

from serin_operator.own_pod import own_identity, own_namespace


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch):
    for name in ("POD_NAMESPACE", "POD_NAME", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def service_account(tmp_path):
    file = tmp_path / "namespace"
    file.write_text("serin-system\n")
    return file


def kubeconfig(folder, **context):
    file = folder / "kubeconfig"
    found = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"} | context}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1"}}],
        "users": [{"name": "u", "user": {}}],
    }
    file.write_text(yaml.safe_dump(found))
    return str(file)


def test_the_namespace_is_that_of_the_service_account(service_account):
    assert own_namespace(service_account) == "serin-system"


def test_without_a_pod_it_is_default(tmp_path):
    assert own_namespace(tmp_path / "absent") == "default"


@pytest.mark.parametrize(("context", "expected"), [({"namespace": "mine"}, "mine"), ({}, "default")])
def test_a_kubeconfig_is_of_another_cluster_so_that_the_service_account_does_not_count(
    monkeypatch, tmp_path, service_account, context, expected
):
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, **context))
    assert own_namespace(service_account) == expected


def test_the_environment_takes_precedence(monkeypatch, tmp_path, service_account):
    monkeypatch.setenv("KUBECONFIG", kubeconfig(tmp_path, namespace="mine"))
    monkeypatch.setenv("POD_NAMESPACE", "given")
    assert own_namespace(service_account) == "given"


def test_a_kubeconfig_that_cannot_be_used_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(ConfigException):
        own_namespace()


def test_an_operator_is_named_after_its_pod_and_elsewhere_differs_from_others_on_its_host(monkeypatch):
    first, second = own_identity(), own_identity()
    assert first != second
    assert all(one.startswith(f"{socket.gethostname()}_") for one in (first, second))
    monkeypatch.setenv("POD_NAME", "serin-operator-1")
    assert own_identity() == "serin-operator-1"
