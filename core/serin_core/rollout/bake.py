"""Rule 16: after its last step a run bakes: it serves as the candidate, and the run before stays loaded as stable.

Bake is a time, not a verdict: it ends when its duration is over and no gate fails, but never while the counts cannot be
read, since nobody has watched then. The rules of rollback.py apply as in every stage.
"""

from datetime import timedelta

from serin_core.api.bake import BakeClock
from serin_core.api.durations import format_duration
from serin_core.api.status import Candidate, Status
from serin_core.rollout import promotion
from serin_core.rollout.pauses import describe_pause
from serin_core.rollout.protocol import Context, Protocol, held_by
from serin_core.rollout.transition import ALL_USERS, Transition, serving


def holdback_of(context: Context) -> float:
    """Return the percent of users that the spec holds back until the bake ends."""
    bake = context.spec.bake
    return bake.holdback if bake.duration else 0.0


def update_clock(context: Context) -> Status:
    """Return the status with the bake's timer stopped while suspended or paused, or without a started stage."""
    candidate = context.status.candidate
    if candidate is None or candidate.bake is None:
        return context.status
    is_running = candidate.stage_started_at is not None and not context.is_stopped
    bake = candidate.bake.run(context.now, is_running=is_running)
    return context.status.changed(candidate=candidate.changed(bake=bake))


def last_stage_is_proven(context: Context, protocol: Protocol) -> Transition | None:
    """The last stage may end, and the spec has a bake: the candidate stays, with the same evidence."""
    candidate = context.status.candidate
    if candidate is None or candidate.promote_full or not is_before_bake(context):
        return None
    if not promotion.may_end(context, protocol):
        return None
    return promotion.forward(context, candidate, begin(context, candidate), message_of_begin(context, candidate))


def is_before_bake(context: Context) -> bool:
    """Return whether the candidate is in its last stage and will bake after it."""
    candidate = context.status.candidate
    is_last = candidate is not None and candidate.percent >= ALL_USERS
    return is_last and candidate is not None and candidate.bake is None and bool(context.spec.bake.duration)


def begin(context: Context, candidate: Candidate) -> Status:
    """Return the status at the beginning of the bake."""
    clock = BakeClock(started_at=context.now, running_since=context.now)
    return context.status.with_candidate(candidate.changed(bake=clock))


def message_of_begin(context: Context, candidate: Candidate) -> str:
    """Return what begins, for how long, and who serves the users that are held back."""
    against = "the rules" if context.status.stable is None else context.status.stable.run_id
    kept = f" ({candidate.holdback:g} % stay with {against})" if candidate.holdback else ""
    return (
        f"{candidate.run_id} serves {candidate.served_percent:g} % of users{kept} and bakes for "
        f"{format_duration(context.spec.bake.duration)}"
    )


def time_left(context: Context, candidate: Candidate) -> timedelta:
    """Return how long a bake still lasts; zero or less once its time is over."""
    bake = candidate.bake
    return timedelta() if bake is None else context.spec.bake.duration - bake.at(context.now)


def is_over(context: Context) -> bool:
    """Rule 16: return whether a bake may end: its time is over, no gate fails, and counts can be read."""
    candidate = context.status.candidate
    if candidate is None or candidate.bake is None or candidate.stage_started_at is None or context.is_stopped:
        return False
    if candidate.promote_full or not context.spec.bake.duration:
        return not context.failed_gates
    is_watched = context.status.no_data_since is None
    return time_left(context, candidate) <= timedelta() and is_watched and not context.failed_gates


def bake_ends(context: Context, protocol: Protocol) -> Transition | None:
    """The bake is over: the candidate becomes the stable run, and serves the users that were held back."""
    candidate = context.status.candidate
    if candidate is None or not is_over(context) or protocol.held_by(context) or not protocol.may_move_forward(context):
        return None
    took = format_duration(timedelta(seconds=round(_elapsed(context, candidate).total_seconds())))
    message = f"{candidate.run_id} promoted to stable after {took} of bake"
    if candidate.promote_full:
        message += f", ended by promote-full: {candidate.promote_full}"
    return Transition(promotion.promote(context), candidate.run_id, message)


def bake_ended_before_another_run_was_named(context: Context, protocol: Protocol) -> Transition | None:
    """The bake is over, and the spec names another run by now: that one is compared with the run that has baked."""
    candidate = context.status.candidate
    if candidate is None or candidate.run_id == context.spec.run_id:
        return None
    return bake_ends(context, protocol)


def _elapsed(context: Context, candidate: Candidate) -> timedelta:
    return timedelta() if candidate.bake is None else candidate.bake.at(context.now)


def holdback_changed(context: Context, _protocol: Protocol) -> Transition | None:
    """Another holdback: where it changes who is served, the stage starts again; the bake's timer goes on afterwards."""
    candidate, holdback = context.status.candidate, holdback_of(context)
    if candidate is None or candidate.holdback == holdback or (candidate.bake and not context.spec.bake.duration):
        return None
    changed = candidate.changed(holdback=holdback)
    text = f"Holdback changed from {candidate.holdback:g} % to {holdback:g} % (spec.bake)"
    if changed.served_percent == candidate.served_percent:
        return Transition(context.status.changed(candidate=changed), candidate.run_id, text)
    status = context.status.with_candidate(changed.restart_stage())
    text += f": {changed.served_percent:g} % of users are served, evidence of the stage is reset"
    return Transition(status, candidate.run_id, text)


def describe_end(context: Context, candidate: Candidate) -> str:
    """Return when the bake ends, or why its timer is stopped, and what a failing gate does."""
    clock, duration = candidate.bake, context.spec.bake.duration
    until = None if clock is None else clock.ends_at(duration)
    if context.is_stopped:
        paused = "" if candidate.pause is None else f"paused{describe_pause(candidate.pause)}"
        why = "spec.suspend" if context.spec.suspend else paused
        end = f"the timer is stopped ({why}), {format_duration(time_left(context, candidate))} are left"
    elif until is None:
        end = "the timer is stopped until all pods serve the stage"
    elif until > context.now:
        end = f"the bake of {format_duration(duration)} ends {until:%Y-%m-%d %H:%M:%S} UTC"
    else:
        end = f"the bake of {format_duration(duration)} is over, {_what_delays_its_end(context)}"
    return f"{end}. If a gate fails, {serving(context.status)} at once"


def _what_delays_its_end(context: Context) -> str:
    held = held_by(context)
    if not is_over(context):
        return "and ends once the counts of all gates can be read"
    return "and ends once all pods confirm" if held is None else f"its end is held: {held.clause}"
