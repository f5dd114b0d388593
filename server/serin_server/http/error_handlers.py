"""The response to each error of this server, as problem details; no response contains a stack trace.

docs/http-api.md lists the codes and their statuses.
"""

import logging
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from serin_server.event_ids import EventError, EventExpiredError
from serin_server.feedback import FeedbackError, NothingSuggestedError, UnknownLabelError
from serin_server.http.field_errors import FieldNames, field_errors, printable, summary
from serin_server.http.problems import REQUEST_ID, Code, FieldError, ProblemError, problem_response, request_id_of
from serin_server.http.schemas import TransactionBody
from serin_server.logs import location_of
from serin_server.rate_limit import RateLimitError
from serin_server.routing.routing_watcher import ForgedPushError, NoRoutingKeyError
from serin_server.stores.store import StoreAbsentError, StoreUnavailableError, UnknownTransactionsError

_MAX_DETAIL: Final = 500
_RETRY_SECONDS: Final = "1"
"""When a request that the store could not serve may be repeated."""
_EXPECTED: Final[dict[type[Exception], tuple[int, Code]]] = {
    EventError: (400, Code.INVALID_EVENT_ID),
    ForgedPushError: (403, Code.INVALID_SIGNATURE),
    UnknownTransactionsError: (404, Code.UNKNOWN_TRANSACTION),
    StoreAbsentError: (409, Code.NO_STORE),
    NoRoutingKeyError: (409, Code.NO_ROUTING_KEY),
    EventExpiredError: (410, Code.EVENT_EXPIRED),
    NothingSuggestedError: (422, Code.NOTHING_SUGGESTED),
    UnknownLabelError: (422, Code.UNKNOWN_LABEL),
    RateLimitError: (429, Code.TOO_MANY_REQUESTS),
    StoreUnavailableError: (503, Code.STORE_UNAVAILABLE),
}
"""Errors whose message is the detail."""
_OF_FRAMEWORK: Final = {
    400: (Code.INVALID_JSON, "the body cannot be parsed as JSON"),
    404: (Code.ROUTE_NOT_FOUND, "no such route; /docs and /openapi.json list all routes"),
    405: (Code.METHOD_NOT_ALLOWED, "this route does not accept the method; the header Allow names those it does"),
}
"""Errors that FastAPI and Starlette raise themselves."""
INTERNAL_DETAIL: Final = "internal error; the log of the server has a line with the request id"

_log = logging.getLogger(__name__)


def add_error_handlers(app: FastAPI) -> None:
    """Register the response to each error of this server."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _of_http)
    for error in _EXPECTED:
        app.add_exception_handler(error, _expected)
    app.add_exception_handler(Exception, _unexpected)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    errors, request_id = error.errors(), _request_id(request)
    if errors[0]["type"] == "json_invalid":
        at = errors[0]["loc"][-1]
        detail = f"not valid JSON: {errors[0]['ctx']['error']} at character {at}"
        return problem_response(
            400, Code.INVALID_JSON, detail, request_id=request_id, errors=(FieldError(detail, "#"),)
        )
    found = field_errors(errors, _known_fields(request))
    detail = summary(found, len(errors))[:_MAX_DETAIL]
    return problem_response(422, Code.INVALID_REQUEST, detail, request_id=request_id, errors=found)


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    if isinstance(error, ProblemError):
        code, detail = error.code, str(error.detail)
    else:
        code, detail = _OF_FRAMEWORK.get(error.status_code, (Code.INVALID_REQUEST, str(error.detail)))
    headers = None if error.headers is None else dict(error.headers)
    return problem_response(error.status_code, code, detail, request_id=_request_id(request), headers=headers)


async def _expected(request: Request, error: Exception) -> Response:
    status, code = _EXPECTED[type(error)]
    detail = str(error)
    found: tuple[FieldError, ...] = ()
    if isinstance(error, FeedbackError):
        found = (FieldError(printable(detail), f"#/{error.field}"),)
        detail = summary(found, 1)
    headers = None
    if isinstance(error, StoreUnavailableError):
        headers = {"Retry-After": _RETRY_SECONDS}
    elif isinstance(error, RateLimitError):
        headers = {"Retry-After": str(error.retry_seconds)}
    return problem_response(status, code, detail, request_id=_request_id(request), errors=found, headers=headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    return internal_error_response(request.method, request.headers.get(REQUEST_ID), error)


def internal_error_response(method: str, given_id: str | None, error: Exception) -> Response:
    """Log where an internal error happened, and return the response to it. `given_id` is the client's X-Request-Id."""
    request_id = log_internal_error(method, given_id, error)
    return problem_response(500, Code.INTERNAL_ERROR, INTERNAL_DETAIL, request_id=request_id)


def log_internal_error(method: str, given_id: str | None, error: Exception) -> str:
    """Log where an internal error happened, and return the id of the request."""
    request_id = request_id_of(given_id)
    _log.error("a %s request failed: %s (request id %s)", method, location_of(error), request_id)
    return request_id


def _request_id(request: Request) -> str:
    return request_id_of(request.headers.get(REQUEST_ID))


def _known_fields(request: Request) -> dict[int, FieldNames]:
    """Return the names of the fields of a request's body, and of a transaction in it, by their depth.

    A body without a model has a transaction on each line.
    """
    body: Any = getattr(request.scope.get("route"), "body_field", None)
    model = None if body is None else body.field_info.annotation
    if model is None:
        return {2: TransactionBody.model_fields}
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return {}
    return {1: model.model_fields, 3: TransactionBody.model_fields}
