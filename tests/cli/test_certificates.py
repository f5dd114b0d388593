"""Which certificates of an API server are trusted, from a kubeconfig and in a pod."""

import ssl
from datetime import timedelta

import pytest
import urllib3.connection
import urllib3.util.ssl_
import yaml
from kubernetes import client
from kubernetes.config import incluster_config
from tls_api import Authority, serving

from serin_cli.kubernetes_client import Cluster
from serin_cli.request_errors import ClusterError


@pytest.fixture(autouse=True)
def as_in_python_3_13(monkeypatch):
    """From Python 3.13 on urllib3 sets this flag; the tests also run on older ones."""
    made = urllib3.util.ssl_.create_urllib3_context

    def create(*arguments, **options):
        context = made(*arguments, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(urllib3.util.ssl_, "create_urllib3_context", create)
    monkeypatch.setattr(urllib3.connection, "create_urllib3_context", create)


@pytest.fixture
def kubeconfig(tmp_path):
    """Return a function that connects by a kubeconfig with the authority that is to be trusted."""

    def connect(server, authority):
        cluster = {"server": f"https://127.0.0.1:{server.server_port}", "certificate-authority": str(authority.file)}
        written = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(written))
        return Cluster.connect(namespace="shop", context=None, kubeconfig=tmp_path / "kubeconfig")

    return connect


@pytest.fixture
def pod(tmp_path, monkeypatch):
    """Return a function that connects as a pod does."""

    def connect(server, authority):
        (tmp_path / "token").write_text("t")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.server_port))
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority.file))
        return Cluster.inside().at("shop")

    return connect


@pytest.fixture(params=["kubeconfig", "pod"])
def connect(request):
    return request.getfixturevalue(request.param)


def test_an_authority_without_key_usage_and_key_identifiers_is_trusted(tmp_path, connect):
    authority = Authority(tmp_path / "ca")
    with serving(authority.server()) as server:
        assert connect(server, authority).models()["items"] == []
        assert [token.lower() for token in server.tokens] == ["bearer t"]

        strict = client.CustomObjectsApi()
        with pytest.raises(urllib3.exceptions.MaxRetryError, match="certificate verify failed"):
            strict.list_cluster_custom_object("serin.dev", "v1alpha1", "suggestionmodels")


@pytest.mark.parametrize(
    "fault", [{"address": "127.0.0.2"}, {"ends": timedelta(days=-1)}, {}], ids=["name", "expired", "authority"]
)
def test_a_wrong_certificate_is_refused(tmp_path, connect, fault):
    authority = Authority(tmp_path / "ca")
    trusted = authority if fault else Authority(tmp_path / "other", "other")
    with serving(authority.server(**fault)) as server:
        with pytest.raises(ClusterError, match="certificate"):
            connect(server, trusted).models()
        assert server.tokens == []


def test_without_an_authority_those_of_the_system_are_trusted(tmp_path, kubeconfig, monkeypatch):
    authority = Authority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with serving(authority.server()) as server:
        kubeconfig(server, authority)
        text = (tmp_path / "kubeconfig").read_text()
        without = yaml.safe_load(text)
        del without["clusters"][0]["cluster"]["certificate-authority"]
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(without))
        found = Cluster.connect(namespace="shop", context=None, kubeconfig=tmp_path / "kubeconfig")
        assert found.models()["items"] == []
