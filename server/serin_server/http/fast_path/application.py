"""An ASGI application in front of FastAPI that handles `POST /agent/suggestions` with `transactions`.

It handles only requests that it knows to be valid. A request without its token, with another content type, with a body
that is too large or that its decoder rejects, or with `txn_ids`, is passed to FastAPI, which rejects or handles it. So
it never rejects a request itself, and never handles one that FastAPI would reject
(tests/server/http/fast_path/test_application.py).
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serin_core.model.features import Transaction
from serin_core.model.values import MAX_CHARACTERS, parse_timestamp
from serin_server.admission import Admission
from serin_server.http.auth import bearer_token
from serin_server.http.error_handlers import internal_error_response
from serin_server.http.middleware import MAX_BODY_BYTES, announces_too_much
from serin_server.http.problems import REQUEST_ID
from serin_server.http.responses import encode
from serin_server.http.schemas import MAX_ITEMS
from serin_server.service import Service
from serin_server.suggester import UNINTERRUPTED

HeaderList = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values."""
PATH: Final = "/agent/suggestions"
_JSON: Final = b"application/json"
_ESCAPED_NUL: Final = b"\\u0000"


class _Transaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    txn_id: Annotated[str, Meta(min_length=1, max_length=MAX_CHARACTERS["txn_id"])]
    merchant: Annotated[str, Meta(max_length=MAX_CHARACTERS["merchant"])]
    user_id: Annotated[str, Meta(max_length=MAX_CHARACTERS["user_id"])] = ""
    timestamp: str | None = None
    description: Annotated[str, Meta(max_length=MAX_CHARACTERS["description"])] = ""
    amount: float = 0.0
    channel: Annotated[str, Meta(max_length=MAX_CHARACTERS["channel"])] = ""


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    transactions: Annotated[list[_Transaction], Meta(min_length=1, max_length=MAX_ITEMS)]
    mode: Literal["auto"] = "auto"


_DECODER: Final = msgspec.json.Decoder(_Request)


class FastPath:
    """Handles suggestion requests, and passes all others to `app`."""

    def __init__(self, app: ASGIApp, *, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or pass it on."""
        if (
            scope["type"] != "http"
            or scope["path"] != PATH
            or scope["method"] != "POST"
            or not self._is_allowed(scope["headers"])
        ):
            await self._app(scope, receive, send)
            return
        message = await _read(receive, self._service.admission)
        if message["type"] != "http.request":
            return  # the client has disconnected
        transactions = None if message.get("more_body", False) else read_transactions(message.get("body", b""))
        if transactions is None:
            await self._app(scope, _replay(message, receive), send)
            return
        try:
            suggestions = await self._service.suggester.suggest_batch(transactions, self._service.switch.current)
            content = encode(suggestions)
        except Exception as error:  # noqa: BLE001 - the border of the process, as in FastAPI
            given_id = Headers(scope=scope).get(REQUEST_ID)
            await internal_error_response(scope["method"], given_id, error)(scope, receive, send)
            return
        headers = [(b"content-type", _JSON), (b"content-length", str(len(content)).encode())]
        if self._service.readiness.is_draining:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    def respond(self, headers: HeaderList, body: bytes) -> bytes | None:
        """Return the JSON of the response to one complete request, None if FastAPI must handle it.

        An exception is an internal error, after counters may have changed: the request must not be handled again.
        """
        if self._service.readiness.is_draining or not self._is_allowed(headers):
            return None
        transactions = read_transactions(body)
        if transactions is None or len(transactions) > UNINTERRUPTED:
            return None
        return encode(self._service.suggester.suggest_now(transactions, self._service.switch.current))

    def _is_allowed(self, headers: HeaderList) -> bool:
        """Return whether token, content type and announced length are valid; of a repeated header the first counts."""
        authorization = content_type = length = None
        for name, value in headers:
            if name == b"authorization" and authorization is None:
                authorization = value
            elif name == b"content-type" and content_type is None:
                content_type = value
            elif name == b"content-length" and length is None:
                length = value
        if content_type != _JSON or announces_too_much(length):
            return False
        return self._service.tokens.admits(
            None if authorization is None else bearer_token(authorization.decode("latin-1"))
        )


async def _read(receive: Receive, admission: Admission) -> Message:
    """Return the request body as one message.

    It is incomplete if it is too large, alone or with those of other requests, or if the client has disconnected.
    """
    message = await receive()
    if not message.get("more_body", False):
        return message
    body, held = bytearray(), 0
    try:
        while message["type"] == "http.request":
            piece = message.get("body", b"")
            body += piece
            has_more = message.get("more_body", False)
            if not has_more or len(body) > MAX_BODY_BYTES or not admission.has_room(len(piece)):
                return {"type": "http.request", "body": bytes(body), "more_body": has_more}
            admission.hold(len(piece))
            held += len(piece)
            message = await receive()
        return message
    finally:
        # FastAPI counts a body that is passed on to it again.
        admission.release(held)


def _replay(message: Message, receive: Receive) -> Receive:
    """Return a `receive` that first gives what was received already."""
    waiting = [message]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


def read_transactions(body: bytes) -> list[Transaction] | None:
    """Return the transactions of a body, None if FastAPI must handle it."""
    if len(body) > MAX_BODY_BYTES or _ESCAPED_NUL in body:
        return None
    try:
        return [_transaction(one) for one in _DECODER.decode(body).transactions]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _transaction(one: _Transaction) -> Transaction:
    timestamp = None if one.timestamp is None else parse_timestamp(one.timestamp)
    return Transaction(one.txn_id, one.merchant, one.description, one.amount, one.channel, one.user_id, timestamp)
