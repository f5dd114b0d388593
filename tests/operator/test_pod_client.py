"""The report of a pod over a real socket."""

import asyncio
import socket
import ssl

import pytest
from aiohttp import web

from serin_core.contract.pod_report import PodReport
from serin_core.contract.pushed_routing import PushedRouting
from serin_core.rollout.observation import NoAnswer
from serin_localcluster.pki import Authority
from serin_operator.interfaces import PodQuestion
from serin_operator.pod_client import MAX_BYTES, PodClient

REPORT = PodReport(uid="u", process="p", revision=3)


async def ask(pieces, context=None, address="127.0.0.1", *, seen=None, status=200, known=()):
    async def handle(request):
        if seen is not None:
            seen.append((request.headers.get("Serin-Supervises"), dict(request.query)))
        response = web.StreamResponse(
            status=status, headers={"Location": "/elsewhere"} if status in range(300, 400) else {}
        )
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.01)
        return response

    application = web.Application()
    application.add_routes([web.get("/ml/status", handle), web.get("/elsewhere", found_elsewhere)])
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, address, 0, ssl_context=context).start()
    pods = PodClient()
    try:
        scheme = "http" if context is None else "https"
        port = runner.addresses[0][1]
        return await pods.fetch_report(PodQuestion(address, scheme, "uid-1", port, known))
    finally:
        await pods.close()
        await runner.cleanup()


async def found_elsewhere(_request):
    return web.Response(text=REPORT.model_dump_json())


def test_no_redirect_is_followed():
    assert asyncio.run(ask([b""], status=302)) == NoAnswer("it responded with 302")


@pytest.mark.parametrize("at", [1, 20])
def test_a_response_in_several_chunks_is_read_to_its_end(at):
    text = REPORT.model_dump_json().encode()
    assert asyncio.run(ask([text[:at], text[at:]])) == REPORT


def test_the_request_names_the_resource_that_the_operator_watches():
    seen = []
    asyncio.run(ask([REPORT.model_dump_json().encode()], seen=seen))
    assert seen == [("uid-1", {})]


def test_the_request_names_the_runs_whose_quality_the_operator_has():
    seen = []
    asyncio.run(ask([REPORT.model_dump_json().encode()], seen=seen, known=("sha256:a", "sha256:b")))
    assert seen == [("uid-1", {"knownDigests": "sha256:a,sha256:b"})]


def test_a_response_that_is_too_long_is_no_report():
    found = asyncio.run(ask([b" " * MAX_BYTES, b" "]))
    assert found == NoAnswer(f"its response has more than {MAX_BYTES} bytes")


def test_a_pod_with_a_certificate_for_other_names_is_asked_over_https(tmp_path):
    pair = Authority(tmp_path).sign("categories", addresses=("categories.shop.svc",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    assert asyncio.run(ask([REPORT.model_dump_json().encode()], context)) == REPORT


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_a_pod_of_an_ipv6_cluster_is_asked_at_its_address():
    assert asyncio.run(ask([REPORT.model_dump_json().encode()], address="::1")) == REPORT


PUSH = PushedRouting.of("text", bytes(64))


async def push(*, accepts, status=200):
    """Return the report, and the requests of a pod that responds to POST with `accepts`."""
    seen = []

    async def taken(request):
        seen.append(("POST", request.headers.get("Serin-Supervises"), await request.json()))
        return web.Response(status=accepts, text=REPORT.model_dump_json() if accepts == 200 else "{}")

    async def read(request):
        seen.append(("GET", request.headers.get("Serin-Supervises"), None))
        return web.Response(status=status, text=REPORT.model_dump_json())

    application = web.Application()
    routes = [web.get("/ml/status", read)] + ([web.post("/ml/routing", taken)] if accepts != 404 else [])
    application.add_routes(routes)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pods = PodClient()
    try:
        question = PodQuestion("127.0.0.1", "http", "uid-1", runner.addresses[0][1], push=PUSH, key_id="k")
        return await pods.fetch_report(question), seen
    finally:
        await pods.close()
        await runner.cleanup()


def test_routing_is_sent_with_the_request_for_the_report():
    report, seen = asyncio.run(push(accepts=200))
    assert report == REPORT
    assert seen == [("POST", "uid-1", {"document": "text", "signature": PUSH.signature})]


@pytest.mark.parametrize("accepts", [403, 404, 405, 409, 413, 422, 500, 302])
def test_a_pod_that_does_not_accept_it_is_asked_without_it(accepts):
    report, seen = asyncio.run(push(accepts=accepts))
    assert report == REPORT
    assert seen[-1] == ("GET", "uid-1", None)


def test_a_pod_that_accepts_nothing_has_no_report():
    assert asyncio.run(push(accepts=403, status=503))[0] == NoAnswer("it responded with 503")
