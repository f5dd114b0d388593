"""Rule 13: a user pauses a rollout, and resumes it.

While it is paused no step begins and the soak timer is stopped; gates that fail still roll back. A pause belongs to one
rollout and ends with it.
"""

from serin_core.api.pause import Pause
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.requests import Request, done, follows, request_for, why_not_the_candidate
from serin_core.rollout.transition import Transition, place, timer

SUSPENDED = "the rollout is suspended (spec.suspend); set it to false, then ask again"


def why_stopped(context: Context) -> str:
    """Return why a promotion cannot be carried out now, as the answer to its request; "" if it can."""
    if context.spec.suspend:
        return SUSPENDED
    rollout = context.status.rollout
    if rollout is None or rollout.pause is None:
        return ""
    return f"the rollout is paused; to go on: kubectl serin resume {context.resource.name}, then ask again"


def why_pause_is_ignored(request: Request, context: Context) -> str:
    """Return why a pause has no effect, "" if it has."""
    rollout = context.status.rollout
    other = why_not_the_candidate(request, context)
    if other or rollout is None or rollout.pause is None:
        return other
    return f"the rollout is already paused{describe_pause(rollout.pause)}"


def why_resume_is_ignored(request: Request, context: Context) -> str:
    """Return why a resume has no effect, "" if it has."""
    rollout = context.status.rollout
    other = why_not_the_candidate(request, context)
    if other or rollout is None or rollout.pause is not None or follows("pause", request, context):
        return other
    suspended = "; it is suspended (spec.suspend), which only an edit of the spec ends" if context.spec.suspend else ""
    return f"the rollout is not paused{suspended}"


def pause(context: Context, _protocol: Protocol) -> Transition | None:
    """A running rollout is paused on request."""
    rollout = context.status.rollout
    request = None if rollout is None else request_for(context, "pause", rollout.run_id)
    if rollout is None or request is None or rollout.pause is not None:
        return None
    paused = rollout.changed(pause=Pause(since=context.now, by=request.by, reason=request.reason))
    message = f"Rollout of {rollout.run_id} paused {place(rollout)}: {timer(rollout)} is stopped"
    return done(context, request, context.status.changed(candidate=paused), message)


def resume(context: Context, _protocol: Protocol) -> Transition | None:
    """A paused rollout goes on, on request."""
    rollout = context.status.rollout
    request = None if rollout is None else request_for(context, "resume", rollout.run_id)
    if rollout is None or request is None or rollout.pause is None:
        return None
    status = context.status.changed(candidate=rollout.changed(pause=None))
    still = "; it stays suspended, since spec.suspend is true" if context.spec.suspend else ""
    return done(context, request, status, f"Rollout of {rollout.run_id} resumed {place(rollout)}{still}")


def describe_pause(pause: Pause) -> str:
    """Return since when, by whom and why a rollout is paused: ` since 2026-01-02 03:04 UTC by jane (bad feeling)`."""
    by = f" by {pause.by}" if pause.by else ""
    return f" since {pause.since:%Y-%m-%d %H:%M} UTC{by}{f' ({pause.reason})' if pause.reason else ''}"
