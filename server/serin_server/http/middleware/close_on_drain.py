"""Asks clients to close their connections once the process is stopping.

Otherwise the next request on a kept connection could arrive just as it is closed.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serin_server.readiness import Readiness


class CloseOnDrain:
    """Adds `Connection: close` to every response while the process drains."""

    def __init__(self, app: ASGIApp, *, readiness: Readiness) -> None:
        self._app, self._readiness = app, readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._readiness.is_draining:
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, closing)
