"""Requests to check endpoints that are under way, outside of any reconcile: a slow endpoint delays no decision.

Nothing here is kept over a restart: what has no answer in the status then is asked again, with the same id.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Generic, Protocol, TypeVar

from serin_core.api.base import Json
from serin_core.api.check_status import CheckStatus, CheckVerdict
from serin_core.rollout.check_questions import CheckAnswer
from serin_core.rollout.checks import CheckCall
from serin_operator.background import BackgroundTasks
from serin_operator.check_client import Result

KeyT = TypeVar("KeyT")


class Client(Protocol):
    """How endpoints are asked: a CheckClient, or that of a test."""

    @property
    def names(self) -> frozenset[str]:
        """Names of the endpoints."""

    async def ask(self, endpoint: str, document: Json, *, seconds: float | None) -> Result:
        """Send a document, and return the verdict or why there is none; never raises."""


class CheckCaller(Generic[KeyT]):
    """Makes the requests that decisions ask for. `enqueue` is called with each answer's key."""

    def __init__(
        self,
        client: Client,
        *,
        enqueue: Callable[[KeyT], None],
        clock: Callable[[], datetime],
        record: Callable[[str, CheckVerdict | None, float], None] = lambda _endpoint, _verdict, _seconds: None,
    ) -> None:
        self._client, self._enqueue, self._clock, self._record = client, enqueue, clock, record
        self._tasks: BackgroundTasks[KeyT] = BackgroundTasks()
        self._answers: dict[KeyT, dict[str, CheckAnswer]] = {}
        """Answers that no status has yet."""

    @property
    def endpoints(self) -> frozenset[str]:
        """Names of the endpoints in the operator's configuration."""
        return self._client.names

    def answers(self, key: KeyT) -> tuple[CheckAnswer, ...]:
        """Return the answers that the status of a resource does not have yet."""
        return tuple(self._answers.get(key, {}).values())

    def update(self, key: KeyT, calls: Iterable[CheckCall], checks: Iterable[CheckStatus]) -> None:
        """Follow a status that has been written: make its requests, and drop what it does not ask any more."""
        calls, waiting = tuple(calls), {entry.id: entry.answers for entry in checks if entry.is_open}
        for one in self._tasks.running(key):
            if one not in waiting:
                self._tasks.cancel(key, one)
        answers = {
            one: answer
            for one, answer in self._answers.pop(key, {}).items()
            if one in waiting and answer.number > waiting[one]
        }
        if answers:
            self._answers[key] = answers
        for call in calls:
            if call.id not in answers and self._tasks.get(key, call.id) is None:
                self._tasks.start(key, call.id, self._ask(call), partial(self._note, key))

    def forget(self, key: KeyT) -> None:
        """Drop everything of a resource that is gone."""
        self._answers.pop(key, None)
        self._tasks.forget(key)

    async def close(self) -> None:
        """Cancel all requests."""
        await self._tasks.close()

    async def _ask(self, call: CheckCall) -> CheckAnswer:
        seconds = None if call.timeout is None else call.timeout.total_seconds()
        started = asyncio.get_running_loop().time()
        verdict, message = await self._client.ask(call.endpoint, call.document, seconds=seconds)
        if call.endpoint in self._client.names:
            self._record(call.endpoint, verdict, asyncio.get_running_loop().time() - started)
        return CheckAnswer(call.id, call.name, call.number, verdict, message, self._clock())

    def _note(self, key: KeyT, answer: CheckAnswer) -> None:
        self._answers.setdefault(key, {})[answer.id] = answer
        self._enqueue(key)
