"""Error responses as problem details (RFC 9457): one form for every error, with a code that programs can compare."""

import re
import secrets
from enum import StrEnum, auto
from http import HTTPStatus
from typing import Final

import msgspec
from fastapi import HTTPException
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"
REQUEST_ID: Final = "X-Request-Id"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=~-]{1,128}")
_ID_BYTES: Final = 16


class Code(StrEnum):
    """What is wrong with a request, for programs. A code keeps its meaning; docs/http-api.md lists them."""

    ADMIN_TOKEN_REQUIRED = auto()
    BODY_TOO_LARGE = auto()
    EVENT_EXPIRED = auto()
    HEADERS_TOO_LARGE = auto()
    INTERNAL_ERROR = auto()
    INVALID_EVENT_ID = auto()
    INVALID_HTTP = auto()
    INVALID_JSON = auto()
    INVALID_REQUEST = auto()
    INVALID_SIGNATURE = auto()
    INVALID_TOKEN = auto()
    METHOD_NOT_ALLOWED = auto()
    MISSING_TOKEN = auto()
    NO_ROUTING_KEY = auto()
    NO_STORE = auto()
    NOT_READY = auto()
    NOTHING_SUGGESTED = auto()
    OVERLOADED = auto()
    RELOAD_FAILED = auto()
    REQUEST_TIMEOUT = auto()
    ROUTE_NOT_FOUND = auto()
    STORE_UNAVAILABLE = auto()
    TOO_MANY_REQUESTS = auto()
    TOO_MANY_WAITING = auto()
    UNKNOWN_LABEL = auto()
    UNKNOWN_TRANSACTION = auto()
    UNSUPPORTED_MEDIA_TYPE = auto()


TITLES: Final = {
    Code.ADMIN_TOKEN_REQUIRED: "The admin token is required",
    Code.BODY_TOO_LARGE: "The body is too large",
    Code.EVENT_EXPIRED: "The event id has expired",
    Code.HEADERS_TOO_LARGE: "The headers are too large",
    Code.INTERNAL_ERROR: "Internal error",
    Code.INVALID_EVENT_ID: "The event id is not valid",
    Code.INVALID_HTTP: "Not a valid HTTP request",
    Code.INVALID_JSON: "The body is not valid JSON",
    Code.INVALID_REQUEST: "The request is not valid",
    Code.INVALID_SIGNATURE: "The signature is not valid",
    Code.INVALID_TOKEN: "The token is not valid",
    Code.METHOD_NOT_ALLOWED: "The method is not allowed",
    Code.MISSING_TOKEN: "A token is required",
    Code.NO_ROUTING_KEY: "The pod accepts no routing",
    Code.NO_STORE: "The server has no store",
    Code.NOT_READY: "The pod is not ready",
    Code.NOTHING_SUGGESTED: "Nothing was suggested",
    Code.OVERLOADED: "The server is overloaded",
    Code.RELOAD_FAILED: "A run was not reloaded",
    Code.REQUEST_TIMEOUT: "The request did not arrive in time",
    Code.ROUTE_NOT_FOUND: "The route does not exist",
    Code.STORE_UNAVAILABLE: "The store is not available",
    Code.TOO_MANY_REQUESTS: "Too many requests",
    Code.TOO_MANY_WAITING: "Too many requests wait",
    Code.UNKNOWN_LABEL: "The label is not a class",
    Code.UNKNOWN_TRANSACTION: "A transaction is not in the store",
    Code.UNSUPPORTED_MEDIA_TYPE: "The content type is not supported",
}
"""One title for each code, the same in every response."""


class FieldError(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong with one field of a request."""

    detail: str
    pointer: str = ""
    """JSON pointer to the field in the body (RFC 6901), as a fragment: `#/transactions/0/merchant`."""
    parameter: str = ""
    """Name of the parameter, for an error outside the body."""


class _Problem(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: tuple[FieldError, ...] = ()


class ProblemError(HTTPException):
    """An error response with its code."""

    def __init__(self, status: int, code: Code, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
        self.code = code


def request_id_of(given: str | None) -> str:
    """Return the request id that a client sent, or a new one if it sent none or one that no log line should have."""
    return given if given is not None and _REQUEST_ID.fullmatch(given) else secrets.token_hex(_ID_BYTES)


def encode_problem(
    status: int, code: Code, detail: str, *, request_id: str, errors: tuple[FieldError, ...] = ()
) -> bytes:
    """Return the JSON of an error response."""
    kind = f"urn:serin:problem:{code.value.replace('_', '-')}"
    return msgspec.json.encode(_Problem(kind, TITLES[code], status, detail, code.value, request_id, errors))


def problem_response(  # noqa: PLR0913 - by name
    status: int,
    code: Code,
    detail: str,
    *,
    request_id: str,
    errors: tuple[FieldError, ...] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """Return an error response; the request id is in its body and its headers."""
    content = encode_problem(status, code, detail, request_id=request_id, errors=errors)
    return Response(content, status, headers={**(headers or {}), REQUEST_ID: request_id}, media_type=MEDIA_TYPE)


def raw_response(status: int, code: Code, detail: str, *, request_id: str) -> tuple[bytes, bytes, bytes]:
    """Return the status line, the headers and the body of an error response in HTTP/1.1, each line with its end."""
    body = encode_problem(status, code, detail, request_id=request_id)
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
    headers = f"{REQUEST_ID.lower()}: {request_id}\r\ncontent-length: {len(body)}\r\ncontent-type: {MEDIA_TYPE}\r\n"
    return line.encode(), headers.encode(), body
