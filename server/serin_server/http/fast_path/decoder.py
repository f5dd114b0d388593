"""The fast path: answers `POST /agent/suggestions` for transactions that come with the request, without FastAPI.

It takes what it knows to be right and nothing else. A request without its token, another content type, a body that is
too large or that its decoder does not take, `txn_ids`: all that goes on to FastAPI, whose declaration of the endpoint
refuses it in its own words, or answers it. So there is one schema and one set of refusals, and this module can be left
out without anybody noticing more than the time. Never refuses anything by itself, and never answers what the declared
schema would refuse (tests/server/http/fast_path/test_decoder.py).

It is an ASGI application; a connection that has read a whole request may ask it to answer `at_once`, without a task.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from pydantic import TypeAdapter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serin_core.model.features import Transaction
from serin_server.http.error_handlers import answer_fault
from serin_server.http.middleware.body_limit import MOST_BYTES, announced
from serin_server.http.responses import write
from serin_server.http.routes.suggestions import AT_ONCE, suggest_all, suggest_few
from serin_server.http.schemas import MOST_ITEMS
from serin_server.service import Service

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values."""
PATH: Final = "/agent/suggestions"
_JSON: Final = b"application/json"
_BEARER: Final = b"bearer "
_ESCAPED_NUL: Final = b"\\u0000"
_MOMENT: Final = TypeAdapter(datetime).validator.validate_python
"""The declared schema's own reader of moments: days without an hour, which banks often send, are some as well."""


class _Transaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    txn_id: Annotated[str, Meta(min_length=1, max_length=128)]
    user_id: Annotated[str, Meta(max_length=128)] = ""
    timestamp: str | None = None
    merchant: Annotated[str, Meta(max_length=256)] = ""
    description: Annotated[str, Meta(max_length=1024)] = ""
    amount: float = 0.0
    channel: Annotated[str, Meta(max_length=64)] = ""


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    transactions: Annotated[list[_Transaction], Meta(min_length=1, max_length=MOST_ITEMS)]
    mode: Literal["auto"] = "auto"


_DECODER: Final = msgspec.json.Decoder(_Request)


class Direct:
    """Stands in front of the application."""

    def __init__(self, app: ASGIApp, *, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if (
            scope["type"] != "http"
            or scope["path"] != PATH
            or scope["method"] != "POST"
            or not self._is_ours(scope["headers"])
        ):
            await self._app(scope, receive, send)
            return
        message = await _read(receive)
        if message["type"] != "http.request":
            return  # cut off: nobody is left to be answered
        transactions = None if message.get("more_body", False) else read_transactions(message.get("body", b""))
        if transactions is None:
            await self._app(scope, _again(message, receive), send)
            return
        try:
            answer = write(await suggest_all(self._service, transactions))
        except Exception as error:  # noqa: BLE001 - as at FastAPI's border: nobody outside sees a stack trace
            await answer_fault(scope, receive, send, error)
            return
        headers = [(b"content-type", _JSON), (b"content-length", str(len(answer)).encode())]
        if self._service.readiness.is_draining:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def at_once(self, headers: Headers, body: bytes) -> bytes | None:
        """Answer the JSON with which one whole request is answered; None where it is not for this, whatever the reason.

        Raises what is a fault of this server, after anything may have been counted: such a request is not to be asked
        again.
        """
        if self._service.readiness.is_draining or not self._is_ours(headers):
            return None
        transactions = read_transactions(body)
        if transactions is None or len(transactions) > AT_ONCE:
            return None
        return write(suggest_few(self._service, transactions))

    def _is_ours(self, headers: Headers) -> bool:
        """Answer whether token, content type and announced length leave nothing to refuse; of equal names the first."""
        authorization = content_type = length = None
        for name, value in headers:
            if name == b"authorization" and authorization is None:
                authorization = value
            elif name == b"content-type" and content_type is None:
                content_type = value
            elif name == b"content-length" and length is None:
                length = value
        if content_type != _JSON or (length is not None and announced(length) > MOST_BYTES):
            return False
        return self._service.tokens.admits(_presented(authorization))


def _presented(authorization: bytes | None) -> str | None:
    if authorization is None or authorization[: len(_BEARER)].lower() != _BEARER:
        return None
    return authorization[len(_BEARER) :].decode("latin-1").strip()


async def _read(receive: Receive) -> Message:
    """Answer all that was sent as one message, unless it is too large, or the client is gone: then what there is."""
    message = await receive()
    if not message.get("more_body", False):
        return message
    body = bytearray(message.get("body", b""))
    while len(body) <= MOST_BYTES:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return {"type": "http.request", "body": bytes(body), "more_body": False}
    return {"type": "http.request", "body": bytes(body), "more_body": True}


def _again(message: Message, receive: Receive) -> Receive:
    """Answer a `receive` that first gives what was received already."""
    waiting = [message]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


def read_transactions(body: bytes) -> list[Transaction] | None:
    """Answer the transactions of a body; None where it is not for the fast path, whatever the reason."""
    if len(body) > MOST_BYTES or _ESCAPED_NUL in body:
        return None
    try:
        return [_transaction(one) for one in _DECODER.decode(body).transactions]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _transaction(one: _Transaction) -> Transaction:
    timestamp = None if one.timestamp is None else _MOMENT(one.timestamp)
    return Transaction(one.txn_id, one.merchant, one.description, one.amount, one.channel, one.user_id, timestamp)
