"""Which addresses are reached through a proxy: as Go's programs, such as kubectl, read the environment."""

import asyncio

import pytest
from aiohttp import web

from serin_core.rollout.observation import NoAnswer
from serin_operator.connection import load, login
from serin_operator.interfaces import PodQuestion
from serin_operator.kubernetes_client import KubernetesClient
from serin_operator.pod_client import PodClient
from serin_operator.proxies import proxy_for

PROXY = "http://proxy.example:3128"


@pytest.fixture
def variables(monkeypatch):
    """Return a function that sets the variables of proxies, and no others."""

    def set_to(**values):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_to


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_direct"),
    [
        ("https://10.96.0.1:443", "", False),
        ("https://10.96.0.1:443", "10.96.0.1", True),
        ("https://10.96.0.1:443", "10.96.0.0/12,.svc,.cluster.local", True),
        ("https://10.112.0.1:443", "10.96.0.0/12", False),
        ("https://10.96.0.1:443", " 10.0.0.0/8 ", True),
        ("https://10.96.0.1:443", "10.96.0.1:443", True),
        ("https://10.96.0.1:443", "10.96.0.1:6443", False),
        ("https://[fd00::1]:443", "fd00::/108", True),
        ("https://[fd00::1]:443", "fd00::1", True),
        ("https://[fd00::1]:443", "[fd00::1]:443", True),
        ("https://[fd00::1]:443", "[fd00::1]:80", False),
        ("https://[fd00::1]:443", "fd01::/64", False),
        ("https://api.example.com", "example.com", True),
        ("https://api.example.com", ".example.com", True),
        ("https://api.example.com", "*.example.com", True),
        ("https://example.com", ".example.com", False),
        ("https://example.com", "EXAMPLE.com", True),
        ("https://notexample.com", "example.com", False),
        ("https://api.example.com", "example.com:443", True),
        ("https://api.example.com", "example.com:8443", False),
        ("https://api.example.com", "*", True),
        ("https://api.example.com", ",,not/a/network,", False),
        ("https://127.0.0.1:6443", "", True),
        ("https://[::1]:6443", "", True),
        ("https://localhost:6443", "", True),
        ("http://prometheus.monitoring.svc:9090", "", True),
        ("http://prometheus.monitoring.svc.cluster.local", "", True),
        ("http://prometheus.monitoring.svc.prod.example", "", True),
        ("http://svc.example.com", "", False),
    ],
)
def test_the_proxy_of_an_address(variables, url, no_proxy, is_direct):
    variables(HTTP_PROXY=PROXY, https_proxy=PROXY, NO_PROXY=no_proxy)
    assert proxy_for(url) == (None if is_direct else PROXY)


def test_each_scheme_has_a_proxy_of_its_own_or_none(variables):
    variables(HTTPS_PROXY=PROXY)
    assert (proxy_for("https://api.example.com"), proxy_for("http://api.example.com")) == (PROXY, None)


async def started(handle):
    application = web.Application()
    application.add_routes([web.route("*", "/{path:.*}", handle)])
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, runner.addresses[0][1]


@pytest.mark.parametrize(("no_proxy", "is_direct"), [("", False), ("api.invalid", True)])
def test_the_api_server_is_asked_through_the_proxy_unless_it_is_excluded(
    tmp_path, monkeypatch, variables, no_proxy, is_direct
):
    (tmp_path / "kubeconfig").write_text(
        "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],"
        ' clusters: [{name: c, cluster: {server: "http://api.invalid"}}], users: [{name: u, user: {}}]}'
    )
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    asked = []

    async def handle(request):
        asked.append(str(request.url))
        return web.json_response({"items": []})

    async def play():
        runner, port = await started(handle)
        variables(HTTP_PROXY=f"http://127.0.0.1:{port}", NO_PROXY=no_proxy)
        cluster = await KubernetesClient.connect()
        try:
            if not is_direct:
                await cluster.check_access(())
            return (await load()).proxy, (await login()).proxy_url
        finally:
            await cluster.close()
            await runner.cleanup()

    proxies = asyncio.run(play())
    assert [one is None for one in proxies] == [is_direct, is_direct]
    assert asked == ([] if is_direct else ["http://api.invalid/apis/serin.dev/v1alpha1/suggestionmodels?limit=1"])


def test_pods_are_never_asked_through_a_proxy(variables):
    variables(HTTP_PROXY="http://127.0.0.1:9", ALL_PROXY="http://127.0.0.1:9")

    async def handle(_request):
        return web.Response(status=418)

    async def play():
        runner, port = await started(handle)
        pods = PodClient()
        try:
            return await pods.fetch_report(PodQuestion(address="127.0.0.1", scheme="http", uid="u", port=port))
        finally:
            await pods.close()
            await runner.cleanup()

    assert asyncio.run(play()) == NoAnswer("it responded with 418")
