"""The routes that applications use: suggestions, feedback, transactions."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Depends, HTTPException, Response

from serin_core.model.features import Transaction
from serin_server.event_ids import Event, verify
from serin_server.http.auth import UserOnly
from serin_server.http.responses import write
from serin_server.http.schemas import (
    FeedbackAnswer,
    FeedbackRequest,
    KeptAnswer,
    Problem,
    SuggestionsAnswer,
    SuggestionsRequest,
    TransactionsRequest,
)
from serin_server.metrics.counters import Outcome
from serin_server.service import Service
from serin_server.stores.store import Feedback
from serin_server.suggester import ShadowBudget, Suggestion

_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem} for status in (400, 401, 404, 409, 413, 422, 503)
}
AT_ONCE: Final = 16
"""So many transactions are answered before others are let in."""
_MILLISECONDS: Final = 1000


def suggestion_routes(service: Service) -> APIRouter:
    """Answer the routes, bound to one process."""
    router = APIRouter(tags=["suggestions"], dependencies=[Depends(UserOnly(service.tokens))], responses=_PROBLEMS)

    @router.post("/agent/suggestions", response_model=SuggestionsAnswer)
    async def suggest(request: SuggestionsRequest) -> Response:
        """Suggest a category for each transaction."""
        # Transactions that come with the request are answered by direct.py, as long as nothing is unusual about them.
        if request.txn_ids:
            transactions = await _fetch(service, request.txn_ids)
        else:
            transactions = [body.transaction() for body in request.transactions]
        return Response(write(await suggest_all(service, transactions)), media_type="application/json")

    @router.post("/agent/suggestions/{event_id}/feedback")
    async def feedback(event_id: str, request: FeedbackRequest) -> FeedbackAnswer:
        """Say whether a suggestion was right. Only the first word on an answer counts."""
        event = verify(event_id, service.tokens.keys())
        outcome = _outcome(event, request)
        label = request.label or (event.label if request.accepted else "")
        said = Feedback(event, at=int(service.clock.now() * _MILLISECONDS), outcome=outcome, label=label)
        is_first = await service.store.record(said)
        counts = service.counters.of(event.key)
        if is_first and counts is not None:
            counts.arms[event.arm].feedback[outcome] += 1
        return FeedbackAnswer(event_id=event_id, outcome=outcome.value, repeated=not is_first)

    @router.post("/transactions")
    async def transactions(request: TransactionsRequest) -> KeptAnswer:
        """Keep transactions, so that suggestions can be asked for by txn_id."""
        await service.store.save([body.transaction() for body in request.transactions])
        return KeptAnswer(kept=len(request.transactions))

    return router


async def _fetch(service: Service, txn_ids: Sequence[str]) -> list[Transaction]:
    kept = await service.store.fetch(txn_ids)
    missing = [txn_id for txn_id in txn_ids if txn_id not in kept]
    if missing:
        raise HTTPException(
            404, f"{len(missing)} of {len(txn_ids)} txn_ids are not kept here, the first is {missing[0]!r}"
        )
    return [kept[txn_id] for txn_id in txn_ids]


def suggest_few(service: Service, transactions: Sequence[Transaction]) -> list[Suggestion]:
    """Answer at most AT_ONCE transactions, while everybody else waits."""
    serving, suggest, in_shadow = service.switch.current, service.suggester.suggest, ShadowBudget()
    return [suggest(transaction, serving, in_shadow) for transaction in transactions]


async def suggest_all(service: Service, transactions: Sequence[Transaction]) -> list[Suggestion]:
    """Answer a batch by one Serving, letting other requests in between."""
    serving, suggest, in_shadow = service.switch.current, service.suggester.suggest, ShadowBudget()
    suggestions = []
    for number, transaction in enumerate(transactions, start=1):
        suggestions.append(suggest(transaction, serving, in_shadow))
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
    return suggestions


def _outcome(event: Event, request: FeedbackRequest) -> Outcome:
    """Answer what feedback says of the suggestion.

    Silence that a person had to fill in is as wrong as a wrong word: else the arm that is silent on whatever is hard
    would look the better one (docs/decisions/0024).
    """
    if request.label is not None:
        return Outcome.ACCEPTED if request.label == event.label else Outcome.REJECTED
    if not event.label:
        raise HTTPException(422, 'body.accepted: nothing was suggested here; send {"label": "..."} instead')
    return Outcome.ACCEPTED if request.accepted else Outcome.REJECTED
