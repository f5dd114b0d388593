"""Both clients on a real TLS server: which certificates they accept, and what they do once those have changed."""

import asyncio
import ssl
from datetime import timedelta

import aiohttp
import pytest
import yaml
from kubernetes.aio.config import incluster_config
from tls_api import Authority, serving

from serin_operator.connection import load, login
from serin_operator.interfaces import ClusterError
from serin_operator.kubernetes_client import KubernetesClient


@pytest.fixture(autouse=True)
def as_in_python_3_13(monkeypatch):
    """Python 3.13 sets this flag by default; the tests also run on older ones."""
    made = ssl.create_default_context

    def create_default_context(*arguments, **options):
        context = made(*arguments, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", create_default_context)


@pytest.fixture
def use(tmp_path, monkeypatch):
    """Return a function that makes the kubeconfig for a server and the certificate authority that is trusted."""

    def write(server, file):
        cluster = {"server": f"https://127.0.0.1:{server.server_port}", "certificate-authority": str(file)}
        written = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(written))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))

    return write


async def ask_with_the_client():
    cluster = await KubernetesClient.connect()
    try:
        await cluster.check_access(())
    finally:
        await cluster.close()


async def ask_as_kopf():
    found = await login()
    connector = aiohttp.TCPConnector(ssl=found.as_ssl_context())
    async with aiohttp.ClientSession(connector=connector, headers=found.as_http_headers()) as session:
        try:
            async with session.get(found.server, proxy=found.proxy_url) as response:
                assert response.status == 200
        except aiohttp.ClientError as error:
            raise ClusterError(str(error)) from error


CLIENTS = pytest.mark.parametrize("ask", [ask_with_the_client, ask_as_kopf], ids=["client", "kopf"])


@CLIENTS
def test_an_authority_without_key_usage_and_key_identifiers_is_trusted(tmp_path, use, ask):
    authority = Authority(tmp_path / "ca")
    with serving(authority.server()) as server:
        use(server, authority.file)
        strict = ssl.create_default_context(cafile=str(authority.file))

        async def ask_strictly():
            async with aiohttp.ClientSession() as session:
                await session.get(f"https://127.0.0.1:{server.server_port}", ssl=strict)

        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            asyncio.run(ask_strictly())
        asyncio.run(ask())
        assert server.tokens == ["Bearer t"]


@CLIENTS
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({}, "certificate signature failure|self-signed certificate|unable to get local issuer certificate"),
        ({"address": "127.0.0.2"}, "IP address mismatch"),
        ({"ends": timedelta(days=-1)}, "certificate has expired"),
    ],
    ids=["of another authority", "of another name", "expired"],
)
def test_a_certificate_is_refused(tmp_path, use, ask, fault, reason):
    authority = Authority(tmp_path / "ca")
    trusted = authority if fault else Authority(tmp_path / "other")
    with serving(authority.server(**fault)) as server:
        use(server, trusted.file)
        with pytest.raises(ClusterError, match=reason):
            asyncio.run(ask())
        assert server.tokens == []


def test_a_certificate_authority_that_is_exchanged_is_noticed_and_trusted_after_a_new_connection(tmp_path, use):
    old, new = Authority(tmp_path / "old", "old"), Authority(tmp_path / "new", "new")
    file = tmp_path / "ca.crt"
    file.write_bytes(old.file.read_bytes())

    async def play(server):
        cluster = await KubernetesClient.connect()
        try:
            await cluster.check_access(())
            assert not cluster.has_new_authorities()
            file.write_bytes(new.file.read_bytes())
            server.context = new.server()
            assert cluster.has_new_authorities()
            with pytest.raises(ClusterError, match="certificate"):
                await cluster.check_access(())
            await cluster.reconnect()
            assert not cluster.has_new_authorities()
            await cluster.check_access(())
        finally:
            await cluster.close()
        await ask_as_kopf()

    with serving(old.server()) as server:
        use(server, file)
        asyncio.run(play(server))
        server.context = old.server()
        with pytest.raises(ClusterError, match="certificate"):
            asyncio.run(ask_with_the_client())


def test_in_a_pod_a_rotated_token_is_read_again_by_both_clients(tmp_path, monkeypatch):
    authority, token = Authority(tmp_path / "ca"), tmp_path / "token"
    token.write_text("first")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority.file))

    async def play():
        cluster = await KubernetesClient.connect()
        await cluster.check_access(())
        token.write_text("second")
        await cluster.reconnect()
        await cluster.check_access(())
        await cluster.close()
        await ask_as_kopf()

    with serving(authority.server()) as server:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.server_port))
        asyncio.run(play())
        assert [sent.split()[1] for sent in server.tokens] == ["first", "second", "second"]


def test_outside_of_a_pod_and_without_a_kubeconfig_the_reason_is_one_line(monkeypatch):
    for variable in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ClusterError, match="no connection to the API server can be made: Service host/port is not set"):
        asyncio.run(KubernetesClient.connect())


def test_in_a_pod_of_an_ipv6_cluster_both_clients_have_the_same_address(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("t")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(Authority(tmp_path / "ca").file))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    async def addresses():
        return (await load()).host, (await login()).server

    assert asyncio.run(addresses()) == ("https://[fd00::1]:443", "https://[fd00::1]:443")
