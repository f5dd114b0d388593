"""A suggestion that is answered as it is read is answered as any other request is, and counted once."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from server.fakes import TOKEN, FakeClock, FakeRegistry, FakeRun, Mounted, routing
from starlette.types import ASGIApp, Receive, Scope, Send

from serin_server.http.app import create_app
from serin_server.http.fast_path.protocol import FastPathProtocol
from serin_server.service import Service, build_service
from serin_server.suggester import UNINTERRUPTED

pytestmark = pytest.mark.anyio
BODY = json.dumps({"transactions": [{"txn_id": "1", "user_id": "u1", "merchant": "LOBLAWS #12", "amount": 3.2}]})


def post(body: str = BODY, *, path: str = "/agent/suggestions", more: str = "", version: str = "1.1") -> bytes:
    # Errors have the id of the request, a new one for each request without one.
    head = f"POST {path} HTTP/{version}\r\nHost: pod\r\nX-Request-Id: r1\r\nAuthorization: Bearer {TOKEN}\r\n"
    return f"{head}Content-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def chunked(body: str = BODY) -> bytes:
    head = post().partition(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\n"
    return head + f"{len(body):x}\r\n{body}\r\n0\r\n\r\n".encode()


def many(number: int) -> str:
    return json.dumps({"transactions": [{"txn_id": str(one), "merchant": "CAFE"} for one in range(number)]})


REQUESTS = {
    "ordinary": post(),
    "as many as are answered at once": post(many(UNINTERRUPTED)),
    "one more": post(many(UNINTERRUPTED + 1)),
    "chunked": chunked(),
    "no JSON": post("{"),
    "another token": post().replace(TOKEN.encode(), b"wrong"),
    "another method": post().replace(b"POST", b"PUT"),
    "another path": post(path="/agent/suggestion"),
    "with a query": post(path="/agent/suggestions?a=b"),
    "HTTP/1.0": post(version="1.0"),
    "the last one": post(more="Connection: close\r\n"),
    "asks first": post(more="Expect: 100-continue\r\n"),
    "health": b"GET /healthz HTTP/1.1\r\nHost: pod\r\n\r\n",
}
END = b"GET /readyz HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n"


@dataclass
class Pod:
    service: Service
    port: int

    def counted(self) -> Any:
        return [stage.arms for stage in self.service.counters.stages()]


def beside(app: ASGIApp) -> ASGIApp:
    """The same application, but nothing that a connection could ask otherwise than as one."""

    async def passed_on(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return passed_on


@asynccontextmanager
async def listening(root: Path, wrap: Callable[[ASGIApp], ASGIApp]) -> AsyncIterator[Pod]:
    mounted = Mounted(root)
    mounted.model(FakeRun().run)
    mounted.rules("classes:\n  Groceries: [loblaws]\n")
    mounted.route(routing(5, percent=100))
    clock = FakeClock()
    service = build_service(mounted.settings(), clock=clock, read=FakeRegistry(FakeRun(label="Dining")))
    app = wrap(create_app(service))
    config = uvicorn.Config(app, port=0, http=FastPathProtocol, loop="asyncio", log_config=None, proxy_headers=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started or service.not_ready_reason():
        assert not serving.done()
        await asyncio.sleep(0.005)
    yield Pod(service, server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    await serving


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def pods(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Pod, Pod]]:
    root = tmp_path_factory.mktemp("pods")
    async with listening(root / "short", lambda app: app) as short, listening(root / "long", beside) as long:
        yield short, long


async def answers(pod: Pod, pieces: list[bytes]) -> bytes:
    """Return all that came back until the server closed, without what differs between any two answers.

    A server that closes before it has read all ends in a reset. What it had answered is there to be read
    even so, which streams of asyncio would drop; hence the bare socket.
    """
    loop = asyncio.get_running_loop()
    received: list[bytes] = []
    with socket.socket() as connection:
        connection.settimeout(0)
        await loop.sock_connect(connection, ("127.0.0.1", pod.port))

        async def read() -> None:
            with suppress(ConnectionResetError):
                while piece := await loop.sock_recv(connection, 1 << 16):
                    received.append(piece)

        async with asyncio.timeout(5), asyncio.TaskGroup() as both:
            both.create_task(read())
            with suppress(ConnectionResetError, BrokenPipeError):
                for piece in pieces:
                    await loop.sock_sendall(connection, piece)
                    await asyncio.sleep(0.002 if len(pieces) > 1 else 0)
    text = b"".join(received)
    text = re.sub(rb"date: [^\r]*", b"date: ...", text)
    return re.sub(rb'"event_id":"[^"]*"', b'"event_id":"..."', text)


def apart(text: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % len(text) for cut in cuts} - {0})
    return [text[begin:end] for begin, end in zip([0, *places], [*places, len(text)], strict=True)]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(REQUESTS)), max_size=4), st.lists(st.integers(min_value=0), max_size=3))
@example(["ordinary", "ordinary", "ordinary", "ordinary"], [])
@example(["one more", "ordinary", "health", "ordinary"], [])
@example(["ordinary", "the last one", "ordinary"], [])
@example(["chunked", "ordinary"], [250])
async def test_whatever_comes_in_whatever_pieces_the_answers_are_the_same_and_counted_once(
    pods: tuple[Pod, Pod], names: list[str], cuts: list[int]
) -> None:
    short, long = pods
    pieces = apart(b"".join(REQUESTS[name] for name in names) + END, cuts)
    assert await answers(short, pieces) == await answers(long, pieces)
    assert short.counted() == long.counted()


async def test_it_is_answered_without_a_task_of_its_own(pods: tuple[Pod, Pod]) -> None:
    asked: list[str] = []
    for pod in pods:
        direct = pod.service.suggester.suggest

        def noting(*arguments: Any, direct: Callable[..., Any] = direct) -> Any:
            task = asyncio.current_task()
            asked.append("no task" if task is None else "a task")
            return direct(*arguments)

        pod.service.suggester.suggest = noting  # type: ignore[method-assign]
        try:
            assert b"200 OK" in await answers(pod, [post() + END])
        finally:
            del pod.service.suggester.suggest
    assert asked == ["no task", "a task"]


async def test_nonsense_behind_a_request_does_not_take_its_answer_away(pods: tuple[Pod, Pod]) -> None:
    answered = await answers(pods[0], [post() + b"\x16\x03\x01\r\n\r\n"])
    assert re.findall(rb"HTTP/1.1 (\d+)", answered) == [b"200", b"400"]


async def test_a_fault_is_answered_once_and_says_nothing(
    pods: tuple[Pod, Pod], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = 0

    def broken(*_: Any) -> None:
        nonlocal asked
        asked += 1
        raise RuntimeError("LOBLAWS")

    found = []
    for pod in pods:
        monkeypatch.setattr(pod.service.suggester, "suggest", broken)
        found.append(await answers(pod, [post() + END]))
    assert sorted(found[0].split(b"\r\n")) == sorted(found[1].split(b"\r\n"))
    assert b"500 Internal Server Error" in found[0]
    assert b"internal error; the log of the server has a line with the request id" in found[0]
    assert b"200 OK" in found[0]
    assert "LOBLAWS" not in caplog.text
    assert asked == 2


async def test_while_the_process_ends_clients_are_told_to_let_go(pods: tuple[Pod, Pod]) -> None:
    for pod in pods:
        pod.service.readiness.is_draining = True
        try:
            assert b"connection: close" in await answers(pod, [post()])
        finally:
            pod.service.readiness.is_draining = False
