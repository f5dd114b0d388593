"""The status of an object whose spec the models refuse: nothing is decided, and all that was decided stays."""

from datetime import datetime

from serin_core.api.status import Status
from serin_core.contract import names
from serin_core.rollout import conditions, manual_actions
from serin_core.rollout.observation import Json

REASON = "InvalidSpec"


def say_invalid(live: Json, message: str, now: datetime) -> Status:
    """Return the status as it was, with conditions that report what is wrong with the spec."""
    status = Status.model_validate(live["status"]) if live.get("status") else _first(live, now)
    generation = live["metadata"]["generation"]
    found = conditions.invalid(REASON, message, status.conditions, generation=generation, now=now)
    return status.changed(conditions=found, observed_generation=generation)


def _first(live: Json, now: datetime) -> Status:
    """Answer a first status. Requests that a new object carries are ignored here as in any first look."""
    found = (
        manual_actions.Request(key.removeprefix(names.REQUEST_PREFIX), value)
        for key, value in sorted((live["metadata"].get("annotations") or {}).items())
        if key.startswith(names.REQUEST_PREFIX)
    )
    return manual_actions.answer(Status(), found, manual_actions.NEW_OBJECT, now=now)
