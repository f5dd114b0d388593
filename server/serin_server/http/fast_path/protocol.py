"""uvicorn's connections, but for bounds on a request that is not whole yet, and a short way for one that is.

Bounded is what one connection may cost before its request is whole: how long it may take, and how large its head may
be.
uvicorn waits for ever for a request that does not come, or comes a byte at a time. Here it has READ_SECONDS from its
first byte to its last; then 408, and the connection is closed. Costs nothing where a request arrives in one piece.
Never times what the server itself takes: while it does not read, the clock starts anew.

The short way: a suggestion that is asked for in one piece is answered as it is read, without an ASGI task, which costs
more than the answer (docs/decisions/0052). One such request a reading, so that nobody who sends many at once keeps
others waiting; whatever is not for it goes the way of uvicorn, as if nothing had been tried.
"""

import asyncio
from typing import ClassVar, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serin_server.http.error_handlers import fault
from serin_server.http.fast_path.decoder import PATH, Direct

READ_SECONDS: Final = 10.0
MOST_HEAD_BYTES: Final = 32 << 10
"""Request line and headers together, trailers of a chunked body included."""
MOST_WAITING: Final = 128
"""Requests of one connection that wait behind the one that is being answered."""
_SHORT_URL: Final = PATH.encode()


class _HeadTooLargeError(Exception):
    """Ends the parsing of a request whose head is too large."""


class _TooManyWaitingError(Exception):
    """Ends the parsing of requests that come faster than they are answered."""


class BoundedProtocol(HttpToolsProtocol):
    """A connection."""

    read_seconds: ClassVar[float] = READ_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._direct = self.app if isinstance(self.app, Direct) else None
        self._held: list[bytes] | None = None
        self._may_hold = True
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
        self._has_begun = self._may_hold = True
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._held is not None:
            self._let_go()
        if not self._is_reading:
            self._unwatch()
            self._expect_another()
        elif self._in_head and self._head_bytes > MOST_HEAD_BYTES:
            self.send_400_response("")
        elif self._deadline is None:
            self._watch()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        # Of the answer before, where both requests came in one piece.
        self._unset_keepalive_if_required()
        self._in_head = self._is_reading = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer is only counted, since nothing here reads any. Raises _HeadTooLargeError."""
        if self._in_head:
            super().on_header(name, value)
            return
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MOST_HEAD_BYTES:
            raise _HeadTooLargeError

    def on_headers_complete(self) -> None:
        """End its head. Raises _HeadTooLargeError, _TooManyWaitingError."""
        # Only where so much came in at all is it worth adding up.
        if self._head_bytes > MOST_HEAD_BYTES:
            self._head_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if self._head_bytes > MOST_HEAD_BYTES:
                raise _HeadTooLargeError
        # uvicorn reads on after each answer, however many requests wait already.
        if len(self.pipeline) >= MOST_WAITING:
            raise _TooManyWaitingError
        self._in_head = False
        if self._is_short():
            self._held, self._may_hold = [], False
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of its body."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if self._held is not None and not self._answered(b"".join(self._held)):
            self._let_go()
        if self._held is None:
            super().on_message_complete()
        self._held = None
        self._in_head, self._is_reading, self._head_bytes = True, False, 0

    def _is_short(self) -> bool:
        """Answer whether a request may go the short way, as far as its head tells."""
        return (
            self._direct is not None
            and self._may_hold
            and self.url == _SHORT_URL
            and self.parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _answered(self, body: bytes) -> bool:
        """Answer a whole request, if that can be done at once."""
        assert self._direct is not None  # noqa: S101 - _is_short saw to it
        status = b"200 OK"
        try:
            answer = self._direct.at_once(self.headers, body)
        except Exception as error:  # noqa: BLE001 - as at FastAPI's border: nobody outside sees a stack trace
            status, answer = b"500 Internal Server Error", fault("POST", error)
        if answer is None:
            return False
        usual = b"".join([b"%b: %b\r\n" % header for header in self.server_state.default_headers])
        self.transport.write(
            b"HTTP/1.1 %b\r\n%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (status, usual, len(answer), answer)
        )
        self.on_response_complete()
        return True

    def _let_go(self) -> None:
        """Send what was held the way of uvicorn."""
        held, self._held = self._held, None
        super().on_headers_complete()
        for piece in held or ():
            super().on_body(piece)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, in the one shape of all refusals, and close."""
        del msg
        if self.transport.is_closing():
            return
        if self._head_bytes > MOST_HEAD_BYTES:
            self._refuse("431 Request Header Fields Too Large", f"the headers are larger than {MOST_HEAD_BYTES} bytes")
        elif len(self.pipeline) >= MOST_WAITING:
            self._refuse("429 Too Many Requests", f"more than {MOST_WAITING} requests wait on this connection")
        else:
            self._refuse("400 Bad Request", "this is no HTTP request")

    def _expect_another(self) -> None:
        """See to it that a connection ends some day if nothing is under way, whatever stood between two requests."""
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

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
