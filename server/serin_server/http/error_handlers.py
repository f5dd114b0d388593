"""Every refusal at the HTTP border is JSON {"detail": one line}; nobody outside ever sees a stack trace.

400  an event id that is not ours         413  a body that is too large
401  no token, or a wrong one             422  a body that does not fit, a field at a time
403  reload is not open to anybody        503  not ready, or the store does not answer
404  a transaction that is not kept       500  a fault of this server; the log says more
409  no store, or a run that was not taken
"""

import logging
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from serin_core.contract.documents import first_of
from serin_server.event_ids import EventError
from serin_server.logs import place_of
from serin_server.stores.store import StoreAbsentError, StoreUnavailableError

_MOST_DETAIL: Final = 500

_log = logging.getLogger(__name__)


def add_problem_handlers(app: FastAPI) -> None:
    """Give every error of this server its answer."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(EventError, _not_an_event)
    app.add_exception_handler(StoreAbsentError, _no_store)
    app.add_exception_handler(StoreUnavailableError, _store_away)
    app.add_exception_handler(Exception, _fault)


def one_line(error: RequestValidationError) -> str:
    """Say the first thing that is wrong with a request, and where."""
    return first_of(error.errors())[:_MOST_DETAIL]


def _problem(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status_code=status)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class alone
    return _problem(422, one_line(error))


async def _not_an_event(_request: Request, error: Exception) -> JSONResponse:
    return _problem(400, str(error))


async def _no_store(_request: Request, error: Exception) -> JSONResponse:
    return _problem(409, str(error))


async def _store_away(_request: Request, error: Exception) -> JSONResponse:
    return _problem(503, str(error))


async def _fault(request: Request, error: Exception) -> Response:
    return Response(fault(request.method, error), 500, media_type="application/json")


async def answer_fault(scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
    """Answer a request in which this server failed, outside FastAPI."""
    await Response(fault(scope["method"], error), 500, media_type="application/json")(scope, receive, send)


def fault(method: str, error: Exception) -> bytes:
    """Log where this server failed, and answer the JSON of status 500."""
    _log.error("a %s request failed: %s", method, place_of(error))
    return b'{"detail":"this server has a fault; its log says more"}'
