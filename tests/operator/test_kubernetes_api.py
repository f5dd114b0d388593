"""Applying over a socket: what an apply leaves in place is taken out, and only then."""

import asyncio
import copy

import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from serin_operator.kubernetes_api import KubernetesApi

CONTAINER = {"name": "server", "env": [{"name": "A", "value": "1"}]}
RENDERED = {
    "kind": "Deployment",
    "metadata": {"namespace": "default", "name": "x"},
    "spec": {"template": {"spec": {"containers": [CONTAINER]}}},
}


async def apply_over(live):
    asked = []

    async def answer(request):
        body = await request.json()
        asked.append((request.method, body))
        return web.json_response(live)

    application = web.Application()
    application.add_routes([web.route("*", "/{path:.*}", answer)])
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    cluster = KubernetesApi(ApiClient(Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")))
    try:
        await cluster.apply(RENDERED, "7")
    finally:
        await cluster.close()
        await runner.cleanup()
    return asked


def live(**container):
    found = copy.deepcopy(RENDERED)
    found["metadata"] |= {"resourceVersion": "8"}
    found["spec"]["template"]["spec"]["containers"] = [CONTAINER | container]
    return found


def test_what_an_apply_puts_right_needs_no_second_write():
    assert [method for method, _ in asyncio.run(apply_over(live()))] == ["PATCH"]


@pytest.mark.parametrize(
    "addition",
    [{"env": [*CONTAINER["env"], {"name": "SERIN_ALLOW_ANONYMOUS", "value": "true"}]}, {"command": ["sh"]}],
    ids=["a variable", "a command"],
)
def test_what_somebody_added_is_taken_out_at_the_version_that_the_apply_made(addition):
    asked = asyncio.run(apply_over(live(**addition)))
    assert asked[1] == ("PUT", live())
