"""What to say of an object whose spec the models refuse: nothing is decided, and all that was decided stays."""

from datetime import datetime

from serin_core.api.status import Condition, Status
from serin_core.contract import names
from serin_core.rollout import manual_actions
from serin_core.rollout.observation import Json

REASON = "InvalidSpec"


def say_invalid(live: Json, message: str, now: datetime) -> Status:
    """Answer the status as it was, with conditions that say what is wrong with the spec."""
    status = Status.model_validate(live["status"]) if live.get("status") else _first(live, now)
    before = {condition.type: condition for condition in status.conditions}
    said = {
        kind: Condition(
            type=kind,
            status=answer,
            reason=REASON,
            message=message,
            observed_generation=live["metadata"]["generation"],
            last_transition_time=before[kind].last_transition_time
            if kind in before and before[kind].status == answer
            else now,
        )
        for kind, answer in (("Ready", "False"), ("Reconciling", "False"), ("Stalled", "True"))
    }
    update = {
        "conditions": tuple((before | said).values()),
        "observed_generation": live["metadata"]["generation"],
    }
    return status.model_copy(update=update)


def _first(live: Json, now: datetime) -> Status:
    """Answer a first status. Requests that a new object carries are ignored here as in any first look."""
    found = (
        manual_actions.Request(key.removeprefix(names.REQUEST_PREFIX), value)
        for key, value in sorted((live["metadata"].get("annotations") or {}).items())
        if key.startswith(names.REQUEST_PREFIX)
    )
    return manual_actions.answer(Status(), found, manual_actions.NEW_OBJECT, now=now)
