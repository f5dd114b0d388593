"""Bounds what one connection may cost before its request is whole: how long it may take, and how large a head may be.

uvicorn waits for ever for a request that does not come, or comes a byte at a time. Here it has READ_SECONDS from its
first byte to its last; then 408, and the connection is closed. Costs nothing where a request arrives in one piece.
Never times what the server itself takes: while it does not read, the clock starts anew.
"""

import asyncio
from typing import ClassVar, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

READ_SECONDS: Final = 10.0
MOST_HEAD_BYTES: Final = 32 << 10
"""Request line and headers together."""


class _HeadTooLargeError(Exception):
    """Ends the parsing of a request whose head is too large."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's connection, but for its bounds."""

    read_seconds: ClassVar[float] = READ_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._has_begun, self._in_head, self._is_reading = False, True, True
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go."""
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, with an eye on the clock where the request is not whole yet."""
        self._has_begun = True
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._is_reading:
            self._unwatch()
        elif self._in_head and self._head_bytes > MOST_HEAD_BYTES:
            self.send_400_response("")
        elif self._deadline is None:
            self._watch()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_head = self._is_reading = True

    def on_headers_complete(self) -> None:
        """End its head. Raises _HeadTooLargeError."""
        # Only where so much came in at all is it worth adding up.
        if self._head_bytes > MOST_HEAD_BYTES:
            self._head_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if self._head_bytes > MOST_HEAD_BYTES:
                raise _HeadTooLargeError
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request."""
        super().on_message_complete()
        self._in_head, self._is_reading, self._head_bytes = True, False, 0

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, in the one shape of all refusals, and close."""
        del msg
        if self.transport.is_closing():
            return
        if self._head_bytes > MOST_HEAD_BYTES:
            self._refuse("431 Request Header Fields Too Large", f"the headers are larger than {MOST_HEAD_BYTES} bytes")
        else:
            self._refuse("400 Bad Request", "this is no HTTP request")

    def _watch(self) -> None:
        self._deadline = self.loop.call_later(self.read_seconds, self._too_slow)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if self.flow.read_paused or (is_answering and self._in_head):
            self._watch()  # it is this server that keeps the client waiting
        elif not self._has_begun or (is_answering and self.cycle.response_started):
            self.transport.close()
        else:
            self._refuse("408 Request Timeout", f"the request took longer than {self.read_seconds:g} s to arrive")

    def _refuse(self, status: str, detail: str) -> None:
        body = msgspec.json.encode({"detail": detail})
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()
