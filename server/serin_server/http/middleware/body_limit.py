"""Bounds what one request may send, before anything parses it."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES: Final = 1 << 20
_TOO_LARGE: Final = f"the body is larger than {MOST_BYTES} bytes; send fewer transactions at once"
_CODE: Final = 413
_DIGITS: Final = 18


class BodyLimit:
    """Answers 413 as soon as a body is, or says it will be, larger than MOST_BYTES."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _announced(scope) > MOST_BYTES:
            await JSONResponse({"detail": _TOO_LARGE}, _CODE, headers={"Connection": "close"})(scope, receive, send)
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MOST_BYTES:
                raise HTTPException(_CODE, _TOO_LARGE, headers={"Connection": "close"})
            return message

        await self._app(scope, bounded, send)


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return announced(value)
    return 0


def announced(content_length: bytes) -> int:
    """Answer how many bytes a Content-Length says that there will be; more than MOST_BYTES where it is no number."""
    return int(content_length) if content_length.isdigit() and len(content_length) <= _DIGITS else MOST_BYTES + 1
