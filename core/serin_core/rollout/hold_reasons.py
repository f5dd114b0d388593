"""Reasons of the condition Ready while a rollout is on hold by the will of its users: each shows what ends it."""

from serin_core.rollout.pauses import describe_pause
from serin_core.rollout.protocol import Context
from serin_core.rollout.ready_state import ReadyReason
from serin_core.rollout.transition import place

_MEANWHILE = "no promotion, the soak timer is stopped; a failing gate still rolls back"


def suspended(context: Context) -> ReadyReason | None:
    """The spec stops the rollout."""
    candidate = context.status.candidate
    if not context.spec.suspend or candidate is None:
        return None
    too = "" if candidate.pause is None else f". It is paused, too,{describe_pause(candidate.pause)}"
    return ReadyReason("Suspended", f"Suspended {place(candidate)} (spec.suspend): {_MEANWHILE}{too}")


def paused(context: Context) -> ReadyReason | None:
    """A user paused the rollout."""
    candidate = context.status.candidate
    if candidate is None or candidate.pause is None:
        return None
    resume = f"To go on: kubectl serin resume {context.resource.name}"
    message = f"Paused {place(candidate)}{describe_pause(candidate.pause)}: {_MEANWHILE}. {resume}"
    return ReadyReason("Paused", message)
