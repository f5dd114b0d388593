"""Requests to check endpoints that are under way, outside of any reconcile: a slow endpoint delays no decision.

Nothing here is kept over a restart: what has no answer in the status then is asked again, with the same id.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from serin_core.api.base import Json
from serin_core.api.check_status import CheckStatus, CheckVerdict
from serin_core.rollout.check_questions import CheckAnswer
from serin_core.rollout.checks import CheckCall
from serin_operator.check_client import Result

KeyT = TypeVar("KeyT")


class Client(Protocol):
    """How endpoints are asked: a CheckClient, or that of a test."""

    @property
    def names(self) -> frozenset[str]:
        """Names of the endpoints."""

    async def ask(self, endpoint: str, document: Json, *, seconds: float | None) -> Result:
        """Send a document, and return the verdict or why there is none; never raises."""


@dataclass
class _Asked:
    """What one resource has asked: requests that are under way, and answers that no status has yet."""

    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    answers: dict[str, CheckAnswer] = field(default_factory=dict)


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
        self._asked: dict[KeyT, _Asked] = {}

    @property
    def endpoints(self) -> frozenset[str]:
        """Names of the endpoints in the operator's configuration."""
        return self._client.names

    def answers(self, key: KeyT) -> tuple[CheckAnswer, ...]:
        """Return the answers that the status of a resource does not have yet."""
        asked = self._asked.get(key)
        return () if asked is None else tuple(asked.answers.values())

    def update(self, key: KeyT, calls: Iterable[CheckCall], checks: Iterable[CheckStatus]) -> None:
        """Follow a status that has been written: make its requests, and drop what it does not ask any more."""
        calls, waiting = tuple(calls), {entry.id: entry.answers for entry in checks if entry.is_open}
        if not calls and key not in self._asked:
            return
        asked = self._asked.setdefault(key, _Asked())
        for one in [one for one in asked.running if one not in waiting]:
            asked.running.pop(one).cancel()
        asked.answers = {
            one: answer for one, answer in asked.answers.items() if one in waiting and answer.number > waiting[one]
        }
        for call in calls:
            task = asked.running.get(call.id)
            if call.id not in asked.answers and (task is None or task.done()):
                asked.running[call.id] = asyncio.create_task(self._ask(key, call))
        if not asked.running and not asked.answers:
            del self._asked[key]

    def forget(self, key: KeyT) -> None:
        """Drop everything of a resource that is gone."""
        asked = self._asked.pop(key, None)
        for task in asked.running.values() if asked is not None else ():
            task.cancel()

    async def close(self) -> None:
        """Cancel all requests."""
        tasks = [task for asked in self._asked.values() for task in asked.running.values()]
        self._asked.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, key: KeyT, call: CheckCall) -> None:
        seconds = None if call.timeout is None else call.timeout.total_seconds()
        started = asyncio.get_running_loop().time()
        verdict, message = await self._client.ask(call.endpoint, call.document, seconds=seconds)
        if call.endpoint in self._client.names:
            self._record(call.endpoint, verdict, asyncio.get_running_loop().time() - started)
        asked = self._asked.get(key)
        if asked is None or call.id not in asked.running:
            return
        del asked.running[call.id]
        asked.answers[call.id] = CheckAnswer(call.id, call.name, call.number, verdict, message, self._clock())
        self._enqueue(key)
