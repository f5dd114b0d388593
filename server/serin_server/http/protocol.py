"""uvicorn's HTTP/1.1 protocol with limits on what a client sends, does not send, or does not read.

uvicorn waits for ever for a request that does not arrive, or arrives a byte at a time. Here it has READ_SECONDS from
its first byte to its last; then the response is 408, and the connection is closed. Time that the server itself takes
does not count: while it does not read, the clock is reset. The size of the head and the number of pipelined requests
are limited as well. A response that is not read for WRITE_SECONDS ends the connection.

While the process is overloaded (serin_server.admission), requests are refused as soon as their headers are read, except
those of probes, Prometheus and the operator.
"""

import asyncio
from typing import Any, ClassVar, Final

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from serin_server.admission import RETRY_SECONDS, Admission, Room
from serin_server.http.problems import Code, raw_response, request_id_of

READ_SECONDS: Final = 10.0
WRITE_SECONDS: Final = 30.0
MAX_HEAD_BYTES: Final = 32 << 10
"""Request line and headers together, trailers of a chunked body included."""
MAX_WAITING: Final = 128
"""Requests of one connection that wait for the response to an earlier one."""
NEVER_REFUSED: Final = frozenset({b"/healthz", b"/readyz", b"/metrics", b"/ml/status", b"/ml/routing"})
"""Paths of probes, of Prometheus and of the operator."""
OVERLOADED: Final = "the process has more requests than it can answer in time; send it again later"
_RETRY_AFTER: Final = b"retry-after: %d\r\n" % RETRY_SECONDS


class _HeadTooLargeError(Exception):
    """Ends the parsing of a request whose head is too large."""


class _TooManyWaitingError(Exception):
    """Ends the parsing of requests that arrive faster than they are processed."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    read_seconds: ClassVar[float] = READ_SECONDS
    write_seconds: ClassVar[float] = WRITE_SECONDS

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        admission: Admission | None = None,
    ) -> None:
        """`admission` is the room of the process that all its connections share."""
        super().__init__(config, server_state, app_state, _loop)
        self._admission = admission or Admission()
        self._is_refused = False
        """Whether the request that is read is refused as soon as it has ended."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a request, unless there is no room for the connection."""
        super().connection_made(transport)
        self._has_begun, self._in_head, self._is_reading = False, True, True
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._rest: asyncio.TimerHandle | None = None
        room = self._admission.opened(self)
        self._is_surplus = room is Room.REFUSAL
        if room is Room.NONE:
            self.give_up()
        else:
            self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadlines."""
        self._admission.closed(self)
        self._stop_deadline()
        self._stop_unread()
        if self._rest is not None:
            self._rest.cancel()
        super().connection_lost(exc)

    def give_up(self) -> None:
        """End at once: another client needs the connection."""
        self.transport.abort()

    def pause_writing(self) -> None:
        """Start a deadline for a client that does not read."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the deadline of a client that reads."""
        self._stop_unread()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and start a deadline if the request is not complete."""
        self._has_begun = True
        if self._in_head:
            self._head_bytes += len(data)
        self.parse(data)
        if not self._is_reading:
            self._stop_deadline()
            self._expect_next()
        elif self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response("")
        elif self._deadline is None:
            self._start_deadline()

    def parse(self, data: bytes) -> None:
        """Parse what arrived."""
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        # Still set for the response before, if both requests arrived in one piece.
        self._unset_keepalive_if_required()
        self._in_head = self._is_reading = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header; the size of a trailer is only counted. Raises _HeadTooLargeError."""
        if self._in_head:
            super().on_header(name, value)
            return
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _HeadTooLargeError

    def on_headers_complete(self) -> None:
        """End the head of a request. Raises _HeadTooLargeError, _TooManyWaitingError."""
        # The exact size matters only if that much arrived at all.
        if self._head_bytes > MAX_HEAD_BYTES:
            self._head_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if self._head_bytes > MAX_HEAD_BYTES:
                raise _HeadTooLargeError
        # uvicorn continues to read after each response, however many requests wait already.
        if len(self.pipeline) >= MAX_WAITING or self._rest is not None:
            raise _TooManyWaitingError
        self._in_head = False
        if (self._is_surplus or self._admission.is_late(self.loop)) and self._may_refuse():
            self._is_refused = True
        else:
            self.dispatch()

    def dispatch(self) -> None:
        """Start to process a request whose head is complete, unless too many are processed."""
        if self._admission.is_full and self._may_refuse():
            self._is_refused = True
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Receive a piece of the body; that of a refused request is dropped."""
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if self._is_refused:
            self._refuse()
        else:
            super().on_message_complete()
            if not self.cycle.response_complete:
                self._admission.works(self)
        self.end_reading()

    def on_response_complete(self) -> None:
        """End the response to a request."""
        super().on_response_complete()
        if self.cycle is None or self.cycle.response_complete:
            self._admission.waits(self)

    def end_reading(self) -> None:
        """Wait for the next request."""
        self._in_head, self._is_reading, self._head_bytes = True, False, 0

    def send_400_response(self, msg: str) -> None:
        """Reject what is not a request, with the same JSON as all errors, and close the connection."""
        del msg
        if self.transport.is_closing():
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._reject(431, Code.HEADERS_TOO_LARGE, f"the headers are larger than {MAX_HEAD_BYTES} bytes")
        elif len(self.pipeline) >= MAX_WAITING:
            self._reject(429, Code.TOO_MANY_WAITING, f"more than {MAX_WAITING} requests wait on this connection")
        elif self._rest is not None:
            self._reject(503, Code.OVERLOADED, OVERLOADED)
        else:
            self._reject(400, Code.INVALID_HTTP, "this is not a valid HTTP request")

    def _may_refuse(self) -> bool:
        """Return whether this request can be refused, and its response would be the next one on the connection."""
        is_next = (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused
        is_plain = not self.expect_100_continue and self.parser.get_method() != b"HEAD"
        return is_next and is_plain and self.url.partition(b"?")[0] not in NEVER_REFUSED

    def _refuse(self) -> None:
        """Respond to a request that was refused, and read the next one when it may be sent again.

        The connection stays open if it may: another one would cost more.
        """
        self._is_refused = False
        self._admission.refused += 1
        line, headers, body = raw_response(503, Code.OVERLOADED, OVERLOADED, request_id=request_id_of(None))
        is_kept = self.parser.should_keep_alive() and not self._is_surplus
        closing = b"" if is_kept else b"connection: close\r\n"
        self.transport.write(b"%b%b%b%b\r\n%b" % (line, headers, _RETRY_AFTER, closing, body))
        if is_kept:
            self.on_response_complete()
            self.flow.pause_reading()
            self._rest = self.loop.call_later(RETRY_SECONDS, self._end_rest)
        else:
            self.transport.close()

    def _end_rest(self) -> None:
        self._rest = None
        self.flow.resume_reading()

    def _expect_next(self) -> None:
        """Close the connection after the keep-alive time if no request is open, whatever came between two requests."""
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.read_seconds, self._on_deadline)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _on_deadline(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        is_responding = self.cycle is not None and not self.cycle.response_complete
        if self.flow.read_paused or (is_responding and self._in_head):
            self._start_deadline()  # the client waits for this server
        elif not self._has_begun or (is_responding and self.cycle.response_started):
            self.transport.close()
        else:
            self._reject(408, Code.REQUEST_TIMEOUT, f"the request took longer than {self.read_seconds:g} s to arrive")

    def _reject(self, status: int, code: Code, detail: str) -> None:
        line, headers, body = raw_response(status, code, detail, request_id=request_id_of(None))
        self.transport.write(b"%b%bconnection: close\r\n\r\n%b" % (line, headers, body))
        self.transport.close()
