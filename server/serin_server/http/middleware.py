"""ASGI middleware: limits on the size of bodies, and closing of connections while the process drains."""

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serin_server.admission import RETRY_SECONDS, Admission, OverloadError
from serin_server.http.problems import REQUEST_ID, Code, ProblemError, problem_response, request_id_of
from serin_server.readiness import Readiness

MAX_BODY_BYTES: Final = 1 << 20
BULK_PATH: Final = "/transactions/bulk"
_MAX_BYTES: Final = {BULK_PATH: 16 << 20}
"""By path, where it is not MAX_BODY_BYTES."""
_TOO_LARGE: Final = "the body is larger than {} bytes; send fewer transactions in one request"
_STATUS: Final = 413
_CLOSE: Final = {"Connection": "close"}
RETRY_LATER: Final = {"Retry-After": str(RETRY_SECONDS)}
_MAX_DIGITS: Final = 18


class BodyLimit:
    """Responds 413 as soon as a body is larger than allowed, or is announced to be; nothing parses it.

    It responds 503 if the bodies of all open requests together are too large.
    """

    def __init__(self, app: ASGIApp, *, admission: Admission) -> None:
        self._app, self._admission = app, admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = next((value for name, value in scope["headers"] if name == b"content-length"), None)
        longest = _MAX_BYTES.get(scope["path"], MAX_BODY_BYTES)
        detail = _TOO_LARGE.format(longest)
        if announces_too_much(length, longest):
            request_id = request_id_of(Headers(scope=scope).get(REQUEST_ID))
            response = problem_response(_STATUS, Code.BODY_TOO_LARGE, detail, request_id=request_id, headers=_CLOSE)
            await response(scope, receive, send)
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            length = len(message.get("body", b""))
            try:
                self._admission.hold(length)
            except OverloadError as error:
                raise ProblemError(503, Code.OVERLOADED, str(error), _CLOSE | RETRY_LATER) from None
            received += length
            if received > longest:
                raise ProblemError(_STATUS, Code.BODY_TOO_LARGE, detail, _CLOSE)
            return message

        try:
            await self._app(scope, bounded, send)
        finally:
            self._admission.release(received)


def announces_too_much(content_length: bytes | None, longest: int = MAX_BODY_BYTES) -> bool:
    """Return whether a Content-Length exceeds the limit in bytes; one that is not a number does."""
    if content_length is None:
        return False
    is_number = content_length.isdigit() and len(content_length) <= _MAX_DIGITS
    return not is_number or int(content_length) > longest


class CloseOnDrain:
    """Adds `Connection: close` to every response while the process drains.

    Otherwise the next request on a kept connection could arrive just as it is closed.
    """

    def __init__(self, app: ASGIApp, *, readiness: Readiness) -> None:
        self._app, self._readiness = app, readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._readiness.is_draining:
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, closing)
