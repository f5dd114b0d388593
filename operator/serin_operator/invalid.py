"""The status of an object that does not fit the models: what was decided stays, its conditions name the problem.

It is handled as plain JSON, because the status itself may be what cannot be read.
"""

from datetime import datetime
from typing import Final

from serin_core.api.status import Condition, Status
from serin_core.contract import names
from serin_core.rollout import manual_actions
from serin_core.rollout.observation import Json

_CONDITIONS: Final = {"Ready": "False", "Reconciling": "False", "Stalled": "True"}


class InvalidObjectError(ValueError):
    """An object that does not fit the models. `reason` is that of its conditions; the message is one line."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def status_with_problem(live: Json, error: InvalidObjectError, now: datetime) -> Json:
    """Return the object's status as it is, with conditions that name the problem."""
    status = live.get("status") or _first_status(live, now).model_dump(mode="json", exclude_none=True)
    generation = live["metadata"]["generation"]
    found = status.get("conditions")
    by_type = {one["type"]: one for one in found or () if "type" in one} if isinstance(found, list) else {}
    for kind, value in _CONDITIONS.items():
        condition = Condition(
            type=kind,
            status=value,
            reason=error.reason,
            message=str(error),
            observed_generation=generation,
            last_transition_time=now,
        ).model_dump(mode="json")
        before = by_type.get(kind, {})
        if before.get("status") == value and "lastTransitionTime" in before:
            condition["lastTransitionTime"] = before["lastTransitionTime"]
        by_type[kind] = condition
    return {**status, "conditions": list(by_type.values()), "observedGeneration": generation}


def _first_status(live: Json, now: datetime) -> Status:
    """Return a first status, which ignores the manual requests that a new object carries."""
    requests = (
        manual_actions.Request(key.removeprefix(names.REQUEST_PREFIX), value)
        for key, value in sorted((live["metadata"].get("annotations") or {}).items())
        if key.startswith(names.REQUEST_PREFIX)
    )
    return manual_actions.answer(Status(), requests, manual_actions.NEW_OBJECT, now=now)
