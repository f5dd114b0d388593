"""The route that stores many transactions at once."""

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.requests import ClientDisconnect

from serin_server.http.auth import user_only
from serin_server.http.content_type import LINES, lines_only
from serin_server.http.lines import TransactionLines
from serin_server.http.middleware import BULK_PATH
from serin_server.http.problems import Code, ProblemError
from serin_server.http.schemas import TransactionBody, TransactionsResponse, problem_responses
from serin_server.service import Service

AT_ONCE: Final = 2
"""Pieces of bodies that are parsed, or bodies that are stored, between two turns of the event loop."""
_BATCH: Final = 1000
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "One transaction on each line, at most 10,000.",
        "content": {LINES: {"schema": {"$ref": f"#/components/schemas/{TransactionBody.__name__}"}}},
    }
}


def bulk_routes(service: Service) -> APIRouter:
    """Return the routes of one process."""
    router = APIRouter(
        tags=["suggestions"],
        dependencies=[Depends(user_only(service.tokens)), Depends(lines_only)],
        responses=problem_responses(400, 401, 409, 413, 415, 422, 503),
    )
    free = asyncio.Semaphore(AT_ONCE)

    @router.post(BULK_PATH, summary="Store many transactions", openapi_extra=_BODY)
    async def transactions(request: Request) -> TransactionsResponse:
        """Store up to 10,000 transactions. If any line is not valid, nothing is stored.

        They are stored in batches: after 503 some may be, and the request can be repeated.
        """
        # Without a store, or while it is away, the body need not be read.
        await service.store.save(())
        lines = TransactionLines()
        try:
            async for piece in request.stream():
                # A place is taken for work only: a client that sends slowly keeps nobody waiting.
                async with free:
                    is_wanted = lines.feed(piece)
                    await asyncio.sleep(0)
                if not is_wanted:
                    break
        except ClientDisconnect:
            raise ProblemError(400, Code.INVALID_HTTP, "the connection ended before the body") from None
        found = lines.end()
        async with free:
            for start in range(0, len(found), _BATCH):
                await service.store.save(found[start : start + _BATCH])
        return TransactionsResponse(kept=len(found))

    return router
