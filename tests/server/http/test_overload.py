"""Real connections to a process that has no room: what it refuses, how, and what it never refuses."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any, cast

import pytest
import uvicorn

from serin_server.admission import MAX_OPEN_REQUESTS, PATIENCE_SECONDS, Admission
from serin_server.http.protocol import NEVER_REFUSED, BoundedProtocol

pytestmark = pytest.mark.anyio
SUGGEST = b"POST /agent/suggestions HTTP/1.1\r\nHost: pod\r\nContent-Length: 4\r\n\r\nbody"
LARGE = 8 << 20


class Late(Admission):
    """A process that is always too late."""

    def is_late(self, timer: object) -> bool:
        return True


class NeverLate(Admission):
    """A process that is never too late, whatever its clock says."""

    def is_late(self, timer: object) -> bool:
        return False


class Watched(Admission):
    """A process that notes the end of a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.has_ended = asyncio.Event()

    def closed(self, connection: Any) -> None:
        super().closed(connection)
        self.has_ended.set()


class Hasty(BoundedProtocol):
    """A client has half a second to read."""

    write_seconds = 0.5


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Respond at once, to /forever never, and to /large with more than the kernel buffers."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body", False):
        pass
    if scope["path"] == "/forever":
        await receive()  # until the client ends
        return
    body = bytes(LARGE) if scope["path"] == "/large" else b"ok"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    for start in range(0, len(body), 1 << 20):
        is_last = start + (1 << 20) >= len(body)
        await send({"type": "http.response.body", "body": body[start : start + (1 << 20)], "more_body": not is_last})


@asynccontextmanager
async def serving(admission: Admission) -> AsyncIterator[int]:
    protocol: Any = cast("Any", partial(Hasty, admission=admission))
    config = uvicorn.Config(application, port=0, http=protocol, lifespan="off", log_config=None, timeout_keep_alive=60)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await task


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        self._writer.write(request)
        return await self.response()

    def send(self, request: bytes) -> None:
        self._writer.write(request)

    async def response(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(20):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            return int(head[0].split()[1]), headers, await self._reader.readexactly(int(headers["content-length"]))

    async def is_ended(self) -> bool:
        async with asyncio.timeout(20):
            try:
                return await self._reader.read() == b""
            except ConnectionResetError:
                return True

    def close(self) -> None:
        self._writer.transport.abort()


@pytest.fixture
async def clients() -> AsyncIterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def connect(port: int, clients: ExitStack) -> Client:
    client = await Client.connect(port)
    clients.callback(client.close)
    return client


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: pod\r\n\r\n".encode()


async def test_a_request_that_would_wait_too_long_is_refused_and_its_connection_kept(clients: ExitStack) -> None:
    async with serving(admission := Late()) as port:
        client = await connect(port, clients)
        for _ in range(3):
            status, headers, body = await client.ask(SUGGEST)
            assert (status, headers["retry-after"], json.loads(body)["code"]) == (503, "1", "overloaded")
            assert headers["content-type"] == "application/problem+json"
        assert admission.refused == 3


@pytest.mark.parametrize("path", sorted(NEVER_REFUSED))
async def test_probes_prometheus_and_the_operator_are_always_answered(clients: ExitStack, path: bytes) -> None:
    async with serving(Late()) as port:
        client = await connect(port, clients)
        assert (await client.ask(get(path.decode())))[0] == 200
        assert (await client.ask(get(f"{path.decode()}?knownDigests=x")))[0] == 200


async def test_a_refused_request_may_arrive_in_pieces_and_wish_to_end_the_connection(clients: ExitStack) -> None:
    async with serving(Late()) as port:
        client = await connect(port, clients)
        client.send(SUGGEST.replace(b"Host", b"Connection: close\r\nHost")[:-2])
        client.send(b"dy")
        status, headers, _ = await client.response()
        assert (status, headers["connection"]) == (503, "close")
        assert await client.is_ended()


async def test_while_as_many_are_answered_as_may_be_others_are_refused_and_probes_are_not(clients: ExitStack) -> None:
    async with serving(admission := Admission()) as port:
        for _ in range(MAX_OPEN_REQUESTS):
            (await connect(port, clients)).send(get("/forever"))
        probe, other = await connect(port, clients), await connect(port, clients)
        while not admission.is_full:
            await asyncio.sleep(0)
        assert (await probe.ask(get("/readyz")))[0] == 200
        status, headers, _ = await other.ask(SUGGEST)
        assert (status, headers["retry-after"]) == (503, "1")


async def test_requests_that_have_not_arrived_take_no_place_of_those_that_have(clients: ExitStack) -> None:
    async with serving(Admission()) as port:
        for _ in range(MAX_OPEN_REQUESTS + 10):
            (await connect(port, clients)).send(SUGGEST[:-1])
        assert (await (await connect(port, clients)).ask(SUGGEST))[0] == 200


async def test_idle_and_slow_clients_make_room_for_new_ones(clients: ExitStack) -> None:
    clock = [0.0]
    async with serving(admission := NeverLate(max_connections=20, monotonic=lambda: clock[0])) as port:
        crowd = [await connect(port, clients) for _ in range(20)]
        for client in crowd[::2]:
            client.send(SUGGEST[:-1])
        assert (await (await connect(port, clients)).ask(SUGGEST))[0] == 503
        clock[0] += PATIENCE_SECONDS
        for _ in range(20):
            assert (await (await connect(port, clients)).ask(SUGGEST))[0] == 200
        assert all([await client.is_ended() for client in crowd])
        assert admission.refused == 1


async def test_without_any_room_a_connection_is_refused_early(clients: ExitStack) -> None:
    async with serving(admission := Admission(max_connections=2)) as port:
        for _ in range(2):
            (await connect(port, clients)).send(get("/forever"))
        while admission.open_requests < 2:
            await asyncio.sleep(0)
        refused = await connect(port, clients)
        status, headers, _ = await refused.ask(SUGGEST)
        assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
        assert await refused.is_ended()
        probe = await connect(port, clients)
        assert (await probe.ask(get("/readyz")))[0] == 200
        assert admission.refused == 1


async def test_far_above_the_limit_a_probe_is_answered_and_the_oldest_connection_closed(clients: ExitStack) -> None:
    async with serving(Admission(max_connections=2)) as port:
        crowd = [await connect(port, clients) for _ in range(4)]
        for _ in range(4):
            assert (await (await connect(port, clients)).ask(get("/readyz")))[0] == 200
        assert all([await client.is_ended() for client in crowd])


async def test_a_client_that_sends_again_too_early_is_read_later(clients: ExitStack) -> None:
    async with serving(admission := Late()) as port:
        client = await connect(port, clients)
        assert (await client.ask(SUGGEST))[0] == 503
        client.send(SUGGEST)
        probe = await connect(port, clients)
        for _ in range(20):
            assert (await probe.ask(get("/healthz")))[0] == 200
        assert admission.refused == 1
        assert (await client.response())[0] == 503


async def test_requests_behind_a_refused_one_end_the_connection(clients: ExitStack) -> None:
    async with serving(Late()) as port:
        client = await connect(port, clients)
        assert (await client.ask(SUGGEST * 3))[0] == 503
        assert (await client.response())[0] == 503
        assert await client.is_ended()


async def test_a_response_that_is_not_read_ends_its_connection(clients: ExitStack) -> None:
    async with serving(admission := Watched()) as port:
        raw = socket.create_connection(("127.0.0.1", port))
        clients.callback(raw.close)
        raw.sendall(get("/large"))
        reader = await connect(port, clients)
        assert len((await reader.ask(get("/large")))[2]) == LARGE
        async with asyncio.timeout(20):
            await admission.has_ended.wait()
        assert (await reader.ask(get("/healthz")))[0] == 200
