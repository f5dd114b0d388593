"""Routes for applications: suggestions, feedback and transactions."""

from fastapi import APIRouter, Depends, Response

from serin_server.event_ids import check_age, verify
from serin_server.feedback import record_feedback
from serin_server.http.auth import user_only
from serin_server.http.content_type import json_only
from serin_server.http.responses import encode
from serin_server.http.schemas import (
    FeedbackRequest,
    FeedbackResponse,
    SuggestionsRequest,
    SuggestionsResponse,
    TransactionsRequest,
    TransactionsResponse,
    problem_responses,
)
from serin_server.service import Service
from serin_server.stores.store import fetch_all


def suggestion_routes(service: Service) -> APIRouter:
    """Return the routes of one process."""
    router = APIRouter(
        tags=["suggestions"],
        dependencies=[Depends(user_only(service.tokens)), Depends(json_only)],
        responses=problem_responses(400, 401, 404, 409, 410, 413, 415, 422, 429, 503),
    )

    @router.post("/agent/suggestions", summary="Suggest categories", response_model=SuggestionsResponse)
    async def suggest(request: SuggestionsRequest) -> Response:
        """Suggest a category for each transaction, sent with the request or stored before."""
        if request.txn_ids:
            transactions = await fetch_all(service.store, request.txn_ids)
        else:
            transactions = [body.transaction() for body in request.transactions]
        suggestions = await service.suggester.suggest_batch(transactions, service.switch.current)
        return Response(encode(suggestions), media_type="application/json")

    @router.post("/agent/suggestions/{event_id}/feedback", summary="Send feedback")
    async def feedback(event_id: str, request: FeedbackRequest) -> FeedbackResponse:
        """Report whether a suggestion was right. Only the first feedback on a suggestion counts."""
        service.feedback_limit.take()
        event, now = verify(event_id, service.tokens.keys()), service.clock.now()
        check_age(event, now=now, retention=service.settings.retention)
        recorded, is_first = await record_feedback(
            event,
            accepted=request.accepted,
            label=request.label,
            classes=service.classes_for(event.run_id),
            store=service.store,
            counters=service.counters,
            now=now,
        )
        return FeedbackResponse(
            event_id=event_id,
            outcome=recorded.outcome.value,
            label=recorded.label or None,
            repeated=not is_first,
        )

    @router.post("/transactions", summary="Store transactions")
    async def transactions(request: TransactionsRequest) -> TransactionsResponse:
        """Store transactions, so that suggestions can be requested by txn_id."""
        await service.store.save([body.transaction() for body in request.transactions])
        return TransactionsResponse(kept=len(request.transactions))

    return router
