"""The description of the API for readers, and where `/` leads."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse

from serin_server.http.reference_page import HEADERS, reference_page

PATH: Final = "/docs"


def reference_routes(describe: Callable[[], dict[str, Any]]) -> APIRouter:
    """Return the routes of a server whose OpenAPI document `describe` returns."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def root() -> RedirectResponse:
        """Lead to the description of the API."""
        return RedirectResponse(PATH.removeprefix("/"))

    @router.get(PATH)
    async def reference() -> HTMLResponse:
        """Return the description of the API as a page."""
        return HTMLResponse(reference_page(describe()), headers=dict(HEADERS))

    return router
