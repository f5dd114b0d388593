"""The ASGI application of one server process.

A request passes, from the outside in: tracing (only with a collector), the fast path, the middleware of `create_api`,
the routes. Without the fast path, which is used only here, every request gets the same response.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from serin_server.http.error_handlers import add_error_handlers
from serin_server.http.fast_path.application import FastPath
from serin_server.http.fast_path.protocol import FastPathProtocol
from serin_server.http.middleware import BodyLimit, CloseOnDrain
from serin_server.http.problems import MEDIA_TYPE
from serin_server.http.routes.bulk import bulk_routes
from serin_server.http.routes.operations import operation_routes
from serin_server.http.routes.reference import reference_routes
from serin_server.http.routes.status import status_routes
from serin_server.http.routes.suggestions import suggestion_routes
from serin_server.service import Service
from serin_server.settings import SettingsError

PROTOCOL: Final = FastPathProtocol
"""What uvicorn makes of each connection; without the fast path `BoundedProtocol`."""


def create_app(service: Service) -> ASGIApp:
    """Return the application. Raises SettingsError if it should be traced and the packages for that are missing."""
    app = FastPath(create_api(service), service=service)
    if not service.settings.has_collector:
        return app
    try:
        from serin_server.http.tracing import trace  # noqa: PLC0415 - loaded only where it is used
    except ImportError:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT: tracing needs the packages of the extra `tracing`; install serin[tracing]"
        ) from None
    return trace(app, service.identity)


def create_api(service: Service) -> FastAPI:
    """Return all routes and middleware without the fast path; the lifespan of the application runs the service."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="Serin",
        summary="Suggests a category for each bank transaction.",
        version=version("serin"),
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        middleware=[
            Middleware(CloseOnDrain, readiness=service.readiness),
            Middleware(BodyLimit, admission=service.admission),
        ],
    )
    add_error_handlers(app)
    app.include_router(suggestion_routes(service))
    app.include_router(bulk_routes(service))
    app.include_router(status_routes(service))
    app.include_router(operation_routes(service))
    describe = app.openapi
    # FastAPI keeps the document that it made, and has no way to declare the media type of a response with a model.
    app.openapi = lambda: with_problem_type(describe())  # type: ignore[method-assign]
    app.include_router(reference_routes(app.openapi))
    return app


def with_problem_type(document: dict[str, Any]) -> dict[str, Any]:
    """Change the media type of all error responses in an OpenAPI document to that of problem details; return it."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {})
                if status >= "400" and "application/json" in content:
                    content[MEDIA_TYPE] = content.pop("application/json")
    return document
