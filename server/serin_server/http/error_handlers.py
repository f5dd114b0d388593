"""Error responses. Each is JSON, {"detail": one line}; no response contains a stack trace.

400  an event id that this model did not issue    413  a body that is too large
401  no token, or an invalid one                  422  a body that does not fit its schema
403  not the admin token, or a forged routing     500  an internal error; the log has the place
404  a txn_id that is not in the store            503  not ready, or the store is unavailable
409  no store, no key for routing, or a run that failed to reload
"""

import logging
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, Response

from serin_core.contract.documents import first_of
from serin_server.event_ids import EventError
from serin_server.feedback import NothingSuggestedError
from serin_server.logs import location_of
from serin_server.routing.routing_watcher import ForgedPushError, NoRoutingKeyError
from serin_server.stores.store import StoreAbsentError, StoreUnavailableError, UnknownTransactionsError

_MAX_DETAIL: Final = 500
_STATUS: Final[dict[type[Exception], int]] = {
    EventError: 400,
    UnknownTransactionsError: 404,
    ForgedPushError: 403,
    StoreAbsentError: 409,
    NoRoutingKeyError: 409,
    NothingSuggestedError: 422,
    StoreUnavailableError: 503,
}
"""Errors whose message is the detail."""

_log = logging.getLogger(__name__)


def add_error_handlers(app: FastAPI) -> None:
    """Register the response to each error of this server."""
    app.add_exception_handler(RequestValidationError, _invalid)
    for error in _STATUS:
        app.add_exception_handler(error, _expected)
    app.add_exception_handler(Exception, _unexpected)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    return JSONResponse({"detail": one_line(error)}, 422)


async def _expected(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, _STATUS[type(error)])


async def _unexpected(request: Request, error: Exception) -> Response:
    return internal_error_response(request.method, error)


def one_line(error: RequestValidationError) -> str:
    """Return the first error of a request, with the field that it is in."""
    first, *others = error.errors()
    return first_of([_explained(first), *others])[:_MAX_DETAIL]


def _explained(error: Any) -> Any:
    """Return an error of pydantic with a message for authors of clients."""
    where, given = error["loc"], error.get("ctx", {})
    match error["type"]:
        case "json_invalid":
            where, text = where[:1], f"not valid JSON: {given['error']} at character {where[-1]}"
        case "missing" | "model_attributes_type" | "model_type" | "dict_type" if len(where) == 1:
            text = "a JSON object is required, with the header Content-Type: application/json"
        case "extra_forbidden":
            text = "unknown field"
        case "tuple_type":
            text = "a list is required"
        case "too_long":
            text = f"at most {given['max_length']} entries are allowed"
        case "string_pattern_mismatch":
            text = "NUL characters are not allowed"
        case _:
            return error
    return error | {"loc": where, "msg": text}


def internal_error_response(method: str, error: Exception) -> Response:
    """Return the response to an internal error."""
    return Response(internal_error(method, error), 500, media_type="application/json")


def internal_error(method: str, error: Exception) -> bytes:
    """Log where an internal error happened, and return the JSON of the response."""
    _log.error("a %s request failed: %s", method, location_of(error))
    return b'{"detail":"internal error; see the log of the server"}'
