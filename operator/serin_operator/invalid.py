"""The status of an object that cannot be decided about: what was decided stays, its conditions name the problem.

It is handled as plain JSON, because the status itself may be what cannot be read.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from pydantic import ValidationError

from serin_core.api.base import Json
from serin_core.api.status import Condition, Status
from serin_core.api.status_view import condensed
from serin_core.contract import names
from serin_core.rollout import conditions, requests


class InvalidObjectError(ValueError):
    """An object that does not fit the models, or that the operator lacks rights for.

    `reason` is that of its conditions; the message is one line.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def status_with_problem(live: Json, error: InvalidObjectError, now: datetime) -> Json:
    """Return the object's status as it is, with conditions that name the problem."""
    status = live.get("status") or condensed(_first_status(live, now))
    generation, known = live["metadata"]["generation"], readable_conditions(status)
    found = conditions.invalid(error.reason, str(error), known, generation=generation, now=now)
    return {
        **status,
        "conditions": [one.model_dump(mode="json") for one in found],
        "observedGeneration": generation,
    }


def readable_conditions(status: Json) -> Iterator[Condition]:
    """Yield the conditions of a status, which may be anything."""
    found = status.get("conditions")
    for one in found if isinstance(found, list) else ():
        with suppress(ValidationError):
            yield Condition.model_validate(one)


def _first_status(live: Json, now: datetime) -> Status:
    """Return a first status, which ignores the manual requests that a new object carries."""
    found = (
        requests.Request(key.removeprefix(names.REQUEST_PREFIX), value)
        for key, value in sorted((live["metadata"].get("annotations") or {}).items())
        if key.startswith(names.REQUEST_PREFIX)
    )
    return requests.answer(Status(), found, requests.NEW_OBJECT, now=now)
