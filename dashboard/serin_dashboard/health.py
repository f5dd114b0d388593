"""Routes of the probes of Kubernetes: whether the process works, and whether its pages have anything to show."""

from collections.abc import Callable
from typing import Final

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

HEALTHZ: Final = "/healthz"
READYZ: Final = "/readyz"
PROBES: Final = frozenset((HEALTHZ, READYZ))


def routes(*, hang: Callable[[], str], unread: Callable[[], str]) -> APIRouter:
    """Return the routes; both functions return why a probe fails, "" if it does not."""
    router = APIRouter(default_response_class=PlainTextResponse)

    @router.get(HEALTHZ)
    async def healthz() -> PlainTextResponse:
        return _health(hang())

    @router.get(READYZ)
    async def readyz() -> PlainTextResponse:
        return _health(unread())

    return router


def _health(problem: str) -> PlainTextResponse:
    return PlainTextResponse(f"{problem or 'ok'}\n", 503 if problem else 200)
