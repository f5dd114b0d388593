"""The ASGI application of one server process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from serin_server.http.error_handlers import add_problem_handlers
from serin_server.http.fast_path.decoder import Direct
from serin_server.http.middleware.body_limit import BodyLimit
from serin_server.http.middleware.close_on_drain import CloseOnDrain
from serin_server.http.routes.operations import operation_routes
from serin_server.http.routes.suggestions import suggestion_routes
from serin_server.service import Service


def create_app(service: Service) -> Direct:
    """Answer the application: the fast path in front, and behind it all the rest."""
    return Direct(create_api(service), service=service)


def create_api(service: Service) -> FastAPI:
    """Answer everything as FastAPI declares and answers it; its lifespan runs the service."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="Serin", summary="Suggests a category for each bank transaction.", version="1", lifespan=lifespan
    )
    add_problem_handlers(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(CloseOnDrain, readiness=service.readiness)
    app.include_router(suggestion_routes(service))
    app.include_router(operation_routes(service))
    return app
