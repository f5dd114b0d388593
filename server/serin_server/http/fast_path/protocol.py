"""A connection that responds to a complete suggestion request as it is read, without an ASGI task.

The task would cost more than the suggestion (docs/decisions/0052). At most one request per read is handled this way, so
that a client with many requests does not delay others; all other requests are handled by uvicorn.
"""

import asyncio
from typing import Final

from serin_server.http.error_handlers import INTERNAL_DETAIL, log_internal_error
from serin_server.http.fast_path.application import PATH, FastPath
from serin_server.http.problems import REQUEST_ID, Code, raw_response
from serin_server.http.protocol import BoundedProtocol

_URL: Final = PATH.encode()
_REQUEST_ID: Final = REQUEST_ID.lower().encode()


class FastPathProtocol(BoundedProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a request."""
        self._fast_path = self.app if isinstance(self.app, FastPath) else None
        self._held: list[bytes] | None = None
        """Body of a request that uvicorn has not been given, None without such a request."""
        self._may_hold = True
        super().connection_made(transport)

    def parse(self, data: bytes) -> None:
        """Parse what arrived; a request that is not complete then is handled by uvicorn."""
        self._may_hold = True
        super().parse(data)
        if self._held is not None:
            self._release()

    def dispatch(self) -> None:
        """Hold a request back if its head is one for the fast path, else start to process it."""
        if self._is_eligible():
            self._held, self._may_hold = [], False
        else:
            super().dispatch()

    def on_body(self, body: bytes) -> None:
        """Receive a piece of the body."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if self._held is not None and self._respond(b"".join(self._held)):
            self._held = None
            self.end_reading()
            return
        if self._held is not None:
            self._release()
        super().on_message_complete()

    def _is_eligible(self) -> bool:
        return (
            self._fast_path is not None
            and self._may_hold
            and self.url == _URL
            and self.parser.get_method() == b"POST"
            and (self.cycle is None or self.cycle.response_complete)
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and not self.parser.should_upgrade()
            and not self.expect_100_continue
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _respond(self, body: bytes) -> bool:
        """Respond to a complete request, and return whether that was possible."""
        assert self._fast_path is not None  # noqa: S101 - checked by _is_eligible
        try:
            content = self._fast_path.respond(self.headers, body)
        except Exception as error:  # noqa: BLE001 - the border of the process, as in FastAPI
            self._write(*self._internal_error(error))
            return True
        if content is None:
            return False
        headers = b"content-type: application/json\r\ncontent-length: %d\r\n" % len(content)
        self._write(b"HTTP/1.1 200 OK\r\n", headers, content)
        return True

    def _write(self, status_line: bytes, headers: bytes, content: bytes) -> None:
        usual = b"".join([b"%b: %b\r\n" % header for header in self.server_state.default_headers])
        self.transport.write(b"%b%b%b\r\n%b" % (status_line, usual, headers, content))
        self.on_response_complete()

    def _internal_error(self, error: Exception) -> tuple[bytes, bytes, bytes]:
        given = next((value.decode("latin-1") for name, value in self.headers if name == _REQUEST_ID), None)
        request_id = log_internal_error("POST", given, error)
        return raw_response(500, Code.INTERNAL_ERROR, INTERNAL_DETAIL, request_id=request_id)

    def _release(self) -> None:
        """Give uvicorn the request that was held."""
        held, self._held = self._held, None
        super().dispatch()
        for piece in held or ():
            super().on_body(piece)
