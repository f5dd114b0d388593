"""Real connections that send too slowly, too much, or nonsense."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from serin_server.http.protocol import MAX_HEAD_BYTES, MAX_WAITING, BoundedProtocol

pytestmark = pytest.mark.anyio
REQUEST = b"POST / HTTP/1.1\r\nHost: pod\r\nContent-Length: 4\r\n\r\nbody"


class Hasty(BoundedProtocol):
    read_seconds = 0.4


async def echo(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if body == b"slow":
        await asyncio.sleep(3 * Hasty.read_seconds)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(
        echo, port=0, http=Hasty, loop="asyncio", lifespan="off", log_config=None, timeout_keep_alive=1
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


CUT_OFF = b"cut off"


async def send(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Return all that came back until the server closed; at most 3 s."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(3):
        received = asyncio.create_task(reader.read())
        for piece in pieces:
            if received.done():
                break
            writer.write(piece)
            await asyncio.sleep(pause)
        try:
            return await received
        except ConnectionResetError:
            # A byte that arrives after the answer resets the connection, and the kernel drops the answer with it.
            return CUT_OFF
        finally:
            writer.close()


def detail(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head.split()[1]), json.loads(body)["detail"]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"PO", id="in the request line"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: p", id="in the headers"),
        pytest.param(REQUEST[:-2], id="in the body"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo", id="in a chunk"),
        pytest.param(REQUEST.replace(b": 4", b": 400"), id="with a length that lies"),
    ],
)
async def test_a_request_that_stops_halfway_is_answered_408_and_closed(port: int, sent: bytes) -> None:
    assert detail(await send(port, sent)) == (408, "the request took longer than 0.4 s to arrive")


async def test_a_byte_now_and_then_does_not_win_time(port: int) -> None:
    pieces = [bytes([byte]) for byte in REQUEST[:20]]
    answer = await send(port, *pieces, pause=0.05)
    assert answer == CUT_OFF or detail(answer)[0] == 408


async def test_a_connection_that_never_says_anything_is_closed(port: int) -> None:
    assert await send(port) == b""


async def test_a_whole_request_is_answered_however_it_is_cut(port: int) -> None:
    closing = REQUEST.replace(b"Host", b"Connection: close\r\nHost")
    for at in (1, 20, len(closing) - 2):
        assert (await send(port, closing[:at], closing[at:], pause=0.01)).endswith(b"\r\n\r\nbody")


async def test_a_server_that_takes_its_time_is_not_the_clients_fault(port: int) -> None:
    slow = REQUEST.replace(b"body", b"slow")
    closing = REQUEST.replace(b"Host", b"Connection: close\r\nHost")
    answers = await send(port, slow + closing[:20], closing[20:], pause=0.5)
    assert answers.count(b"200 OK") == 2


async def test_kept_connections_take_one_request_after_the_other(port: int) -> None:
    closing = REQUEST.replace(b"Host", b"Connection: close\r\nHost")
    answers = await send(port, REQUEST, REQUEST, closing, pause=0.15)
    assert answers.count(b"200 OK") == 3


@pytest.mark.parametrize("ends", [b"", b"\r\n\r\n"], ids=["unfinished", "whole"])
@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nA: " + b"x" * MAX_HEAD_BYTES,
        b"GET /" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: p",
        b"GET / HTTP/1.1\r\n" + b"\r\n".join(b"A%d: %s" % (number, b"x" * 90) for number in range(400)),
    ],
    ids=["one header", "the path", "many headers"],
)
async def test_a_head_that_is_too_large_is_refused(port: int, head: bytes, ends: bytes) -> None:
    assert detail(await send(port, head + ends)) == (431, "the headers are larger than 32768 bytes")


async def test_a_large_body_behind_a_small_head_is_no_large_head(port: int) -> None:
    body = b"x" * (4 * MAX_HEAD_BYTES)
    head = b"POST / HTTP/1.1\r\nHost: p\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert (await send(port, head + body)).endswith(body)


async def test_what_is_no_request_is_refused_in_one_line(port: int) -> None:
    assert detail(await send(port, b"\x16\x03\x01 hello\r\n\r\n")) == (400, "this is not a valid HTTP request")


async def test_what_stands_between_two_requests_does_not_keep_a_connection_for_ever(port: int) -> None:
    assert (await send(port, REQUEST, b"\r\n", pause=0.1)).endswith(b"\r\n\r\nbody")


async def test_trailers_are_bounded_like_headers(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: pod\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n"
    assert (await send(port, head + b"a: b\r\n\r\n")).endswith(b"\r\n\r\nbody")
    # Not a byte more than is read before the refusal: it would take the answer away.
    answer = await send(port, head + b"a:b\r\n" * (MAX_HEAD_BYTES // 2))
    assert answer == CUT_OFF or detail(answer)[0] == 431


async def test_requests_that_wait_on_one_connection_are_bounded(port: int) -> None:
    slow = REQUEST.replace(b"body", b"slow")
    closing = REQUEST.replace(b"Host", b"Connection: close\r\nHost")
    answers = await send(port, REQUEST * MAX_WAITING + closing)
    assert answers.count(b"200 OK") == MAX_WAITING + 1
    answer = await send(port, slow + REQUEST * MAX_WAITING + REQUEST)
    assert answer == CUT_OFF or detail(answer) == (429, f"more than {MAX_WAITING} requests wait on this connection")
