"""Connections are accepted, many at once, whatever some of them do."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from serin_localcluster.pki import Authority
from serin_server.acceptor import Acceptor
from serin_tls.certificate import Certificate

pytestmark = pytest.mark.anyio
MANY = 300


class Greeting(asyncio.Protocol):
    """Sends one line."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


class Exhausted(socket.socket):
    """A listening socket without free files at first."""

    failures = 1

    def accept(self) -> tuple[socket.socket, object]:
        if self.failures:
            self.failures -= 1
            raise OSError(24, "Too many open files")
        return super().accept()


def listening(kind: type[socket.socket] = socket.socket) -> socket.socket:
    found = kind(socket.AF_INET, socket.SOCK_STREAM)
    found.bind(("127.0.0.1", 0))
    found.listen(MANY)
    return found


@pytest.fixture
async def listener() -> AsyncIterator[socket.socket]:
    found = listening()
    yield found
    found.close()


async def greeted(port: int) -> bytes:
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        found = await reader.read()
        writer.close()
        return found


async def test_connections_that_come_together_are_all_accepted(listener: socket.socket) -> None:
    acceptor, port = Acceptor(listener, Greeting, tls=None), listener.getsockname()[1]
    assert set(await asyncio.gather(*(greeted(port) for _ in range(MANY)))) == {b"hello"}
    acceptor.close()
    await acceptor.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_client_that_does_not_speak_tls_stops_nobody(listener: socket.socket, tmp_path: Path) -> None:
    pair = Authority(tmp_path / "ca").sign("server", addresses=("127.0.0.1",))
    (tmp_path / "tls.crt").write_bytes(pair.certificate.read_bytes())
    (tmp_path / "tls.key").write_bytes(pair.key.read_bytes())
    acceptor, port = Acceptor(listener, Greeting, tls=Certificate(tmp_path).context), listener.getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(20):
        assert b"hello" not in await reader.read()
    acceptor.close()
    await acceptor.wait_closed()


async def test_without_free_files_it_accepts_again_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("serin_server.acceptor._PAUSE_SECONDS", 0.01)
    listener = listening(Exhausted)
    acceptor = Acceptor(listener, Greeting, tls=None)
    assert await greeted(listener.getsockname()[1]) == b"hello"
    assert "no connection can be accepted now: Too many open files" in caplog.text
    acceptor.close()
    await acceptor.wait_closed()
