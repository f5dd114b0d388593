"""Checks in plain text, and the reasons of the condition Ready while a step waits for one."""

from serin_core.api.check_status import CheckStatus, CheckVerdict
from serin_core.gates.formatting import quoted
from serin_core.rollout import checks, manual_actions, promotion
from serin_core.rollout.check_questions import declared
from serin_core.rollout.protocol import Context, held_by
from serin_core.rollout.ready_state import ReadyReason
from serin_core.rollout.transition import ALL_USERS, place


def outcome(entry: CheckStatus) -> str:
    """Return the last answer in words: `answered Wait: "tests are running"`, or why there is none."""
    if entry.verdict is not None:
        return f"answered {entry.verdict}{quoted(entry.message)}"
    return entry.message if entry.answers else "has not answered yet"


def describe(entry: CheckStatus) -> str:
    """Return a check in one clause: what was asked, the last answer, and when it is asked again."""
    retry = f"; asked again at {entry.retry_at:%Y-%m-%d %H:%M:%S} UTC" if entry.is_open and entry.retry_at else ""
    return f"check {entry.name} (endpoint {entry.endpoint}) before {entry.before:g} % {outcome(entry)}{retry}"


def pending(context: Context) -> ReadyReason | None:
    """The next step waits for checks, and for nothing else."""
    candidate = context.status.candidate
    waits = [describe(entry) for entry in context.status.checks if entry.verdict is not CheckVerdict.PASS]
    if candidate is None or not waits:
        return None
    is_ready = promotion.is_over(context) and held_by(context) is None
    if not is_ready and not manual_actions.has_promote_request(context):
        return None
    message = f"On hold {place(candidate)}: {'; '.join(waits)}. Meanwhile, a failing gate still rolls back"
    return ReadyReason("CheckPending", message)


def unknown_endpoint(context: Context) -> ReadyReason | None:
    """A check that is still to be made names an endpoint that the operator's configuration does not have."""
    rollout = context.status.rollout
    if rollout is None:
        return None
    due = declared(context.spec, percent=rollout.percent, to=ALL_USERS)
    unknown = [f"check {one.name} names {one.endpoint}" for one in due if not checks.is_known(context, one.endpoint)]
    if not unknown:
        return None
    known = ", ".join(sorted(context.observed.check_endpoints or ())) or "none"
    message = (
        f"{'; '.join(unknown)}, which is no check endpoint of the operator's configuration (known: {known}). "
        "The steps that it is to precede do not begin; edit spec.gates.checks or the configuration"
    )
    return ReadyReason("CheckEndpointUnknown", f"On hold {place(rollout)}: {message}")
