"""Holds by the will of users, as reasons of the condition Ready and in status: each shows what ends it, and when."""

from datetime import datetime

from serin_core.api.durations import format_duration
from serin_core.api.hold import HoldSince
from serin_core.api.status import Candidate, Status
from serin_core.api.waiting import are_open, describe_opening, next_opening
from serin_core.gates import messages
from serin_core.rollout import bake, promotion
from serin_core.rollout.canary_steps import needs_approval, next_step, stage_name, step_number
from serin_core.rollout.holds import freeze_at
from serin_core.rollout.pauses import describe_pause
from serin_core.rollout.protocol import Context, held_by
from serin_core.rollout.ready_state import ReadyReason
from serin_core.rollout.transition import ALL_USERS, place

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


def held(context: Context) -> ReadyReason | None:
    """The stage is over, and its next step waits for an approval, a window, or the end of a freeze."""
    candidate, found = context.status.candidate, held_by(context)
    if candidate is None or candidate.hold is None or found is None or not _is_over(context):
        return None
    return ReadyReason(found.reason, describe_hold(context))


def describe_hold(context: Context) -> str:
    """Return what the candidate waits for, since when, what ends that, and on what evidence its stage is over."""
    candidate, found = context.status.candidate, held_by(context)
    if candidate is None or found is None:
        return ""
    passed = _passed(context)
    since = "" if candidate.hold is None else f" (since {candidate.hold.at:%Y-%m-%d %H:%M} UTC)"
    command = f"kubectl serin promote {context.resource.name}"
    remedy = {"AwaitingApproval": f". To approve: {command}", "OutsideWindow": f". To go ahead now: {command}"}
    evidence = "; ".join(map(messages.describe, context.acting_gates))
    shown = f". Evidence: {evidence}" if found.reason == "AwaitingApproval" and evidence else ""
    return f"{describe_stage(context, candidate)}: {passed}; {found.clause}{since}{remedy.get(found.reason, '')}{shown}"


def describe_stage(context: Context, candidate: Candidate) -> str:
    """Return the name of the stage at the beginning of a message: `Shadow`, `10 % (step 1 of 3)`."""
    number = step_number(context.spec.canary, percent=candidate.percent)
    return "Shadow" if candidate.percent == 0 else f"{stage_name(candidate.percent)}{number}"


def what_follows(context: Context, candidate: Candidate, *, at: datetime) -> str:
    """Return what follows the stage as the end of a message, and the next window if none is open `at` that time."""
    canary = context.spec.canary
    higher = next_step(canary, percent=candidate.percent)
    if higher is not None and needs_approval(canary, percent=higher):
        return f"; then a user must approve {higher:g} %"
    if higher is None and candidate.percent < ALL_USERS:
        return "; then it stays there (spec.canary.percent)"
    if higher is None and bake.is_before_bake(context):
        return f"; then a bake of {format_duration(context.spec.bake.duration)}"
    opening = None if are_open(canary.windows, at) else next_opening(canary.windows, at)
    window = "" if opening is None else f", next window {describe_opening(opening, now=context.now)}"
    return f"; then {'promotion' if higher is None else f'{higher:g} %'}{window}"


def _passed(context: Context) -> str:
    candidate = context.status.candidate
    if candidate is not None and candidate.bake is not None:
        return "the bake is over"
    if promotion.is_proven(context):
        return "gates and soak have passed"
    return f"no verdict in {format_duration(context.spec.analysis.max_duration)} (onInconclusive: Promote)"


def why_frozen(context: Context) -> str:
    """Return the freeze that forbids a promotion now, as the answer to its request; "" if none does."""
    freeze = freeze_at(context.observed.freezes, context.now)
    return "" if freeze is None else f"{freeze}; ask again after it"


def note_hold(context: Context) -> Status:
    """Return the status with what holds the candidate, and since when.

    It begins when the stage is over, proven or out of time, and ends with the hold or with the stage. Gates that are
    undecided in between do not end it.
    """
    candidate, found = context.status.rollout, held_by(context)
    if candidate is None:
        return context.status
    seen, reason = candidate.hold, "" if found is None else found.reason
    if seen is not None and seen.reason == reason:
        return context.status
    is_over = _is_over(context) and (context.is_judged or seen is not None)
    begins = found is not None and is_over and _is_followed_by_a_step(context, candidate)
    noted = HoldSince(reason=reason, at=context.now) if begins else None
    return context.status if noted == seen else context.status.changed(candidate=candidate.changed(hold=noted))


def _is_followed_by_a_step(context: Context, candidate: Candidate) -> bool:
    """Return whether a step or the promotion follows, and not a bake, which does not wait, or nothing, as at a cap."""
    is_last = candidate.percent >= ALL_USERS and not bake.is_before_bake(context)
    return is_last or next_step(context.spec.canary, percent=candidate.percent) is not None


def _is_over(context: Context) -> bool:
    """Return whether the stage, or the bake, may end."""
    candidate = context.status.candidate
    return promotion.is_over(context) if candidate is None or candidate.bake is None else bake.is_over(context)
