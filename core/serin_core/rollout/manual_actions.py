"""Manual requests: rules of the transition table, and why a request is ignored (docs/contracts.md, "Requests")."""

from collections.abc import Callable, Mapping
from typing import Final

from serin_core.api.status import Candidate, CandidateState, Status
from serin_core.rollout import (
    bake,
    emergency_stop,
    hold_reasons,
    lost_pods,
    pauses,
    promotion,
    restore,
    rollback,
    spec_changes,
)
from serin_core.rollout.attempts import next_attempt
from serin_core.rollout.canary_steps import at_stage, next_step
from serin_core.rollout.forgotten_requests import why_too_old
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.requests import (
    NEW_OBJECT,
    Request,
    answer,
    done,
    follows,
    request_for,
    unanswered,
    why_not_the_candidate,
)
from serin_core.rollout.transition import ALL_USERS, Transition, place, serving


def ignore_what_cannot_act(context: Context) -> Status:
    """Return the status in which every request that cannot act is answered: Ignored, and why.

    Everything that a new object carries is ignored: it may have been restored from a backup or from Git.
    """
    status, requests = context.status, unanswered(context.resource, context.status)
    if context.resource.status is None:
        return answer(status, requests, NEW_OBJECT, now=context.now)
    for request in requests:
        if reason := _why_ignored(request, context):
            status = answer(status, (request,), f"Ignored: {reason}", now=context.now)
    return status


def _why_ignored(request: Request, context: Context) -> str:
    reason_of = _REASONS.get(request.action)
    if reason_of is None:
        return f"unknown action {request.action}; known are {', '.join(ACTIONS)}"
    if reason := why_too_old(request, context.status):
        return reason
    return "" if _is_about_to_start(request, context) else reason_of(request, context)


def _is_about_to_start(request: Request, context: Context) -> bool:
    """Return whether the rollout of the named run is about to start; the request is checked again then."""
    known = {run.run_id for run in (context.status.candidate, context.status.stable) if run is not None}
    return (
        request.action not in ("undo", "restore", "trust")
        and request.run_id not in known
        and request.run_id == context.spec.run_id
    )


def _why_undo_is_ignored(request: Request, context: Context) -> str:
    stable = context.status.stable
    if stable is not None and stable.run_id == request.run_id:
        return ""
    return f"{request.run_id or 'no run'} is not the stable run ({'none' if stable is None else stable.run_id})"


def _why_abort_is_ignored(request: Request, context: Context) -> str:
    if context.status.rollout is None:
        undo = f"kubectl serin undo {context.resource.name}"
        return f"no rollout is running; to take the stable run out of service: {undo}"
    return why_not_the_candidate(request, context)


def _why_retry_is_ignored(request: Request, context: Context) -> str:
    candidate = context.status.candidate
    if emergency_stop.is_stopped(context.status) and candidate is not None and candidate.run_id == request.run_id:
        return "the run is stopped, not rolled back; set spec.canary.percent to 100, and it serves again"
    if candidate is None or candidate.run_id != request.run_id or context.spec.run_id != request.run_id:
        return f"{request.run_id or 'no run'} is not a run of spec.runID that was rolled back or refused"
    if context.status.rollout is None or follows("abort", request, context):
        return ""
    return "nothing to retry: the rollout is still running"


def _why_promote_full_is_ignored(request: Request, context: Context) -> str:
    return why_not_the_candidate(request, context) or _why_stopped(context)


def _why_stopped(context: Context) -> str:
    return pauses.why_stopped(context) or hold_reasons.why_frozen(context)


def _why_promote_is_ignored(request: Request, context: Context) -> str:
    rollout = context.status.rollout
    if rollout is None or rollout.run_id != request.run_id:
        return why_not_the_candidate(request, context)
    has_next = next_step(context.spec.canary, percent=rollout.percent) is not None
    stopped = _why_stopped(context)
    is_named = request.names_bake if rollout.bake else request.percent == rollout.percent
    reasons = (
        (rollout.state is not CandidateState.RUNNING, "the candidate is still loading; try again when it is in shadow"),
        (
            request.percent is None and not request.names_bake,
            'a promote names its stage: "<runID> <percent> ...", or "<runID> bake ..."',
        ),
        (not is_named, _other_stage(request, rollout)),
        (bool(stopped), stopped),
        (rollout.percent < ALL_USERS and not has_next, "the run is at its cap (spec.canary.percent)"),
    )
    return next((reason for holds, reason in reasons if holds), "")


def _other_stage(request: Request, rollout: Candidate) -> str:
    named = "in the bake" if request.percent is None else at_stage(request.percent)
    is_over = request.percent is not None and (rollout.bake is not None or request.percent < rollout.percent)
    if is_over:
        return f"the stage {named} is over, the rollout is {place(rollout)}"
    return f"the rollout is {place(rollout)}, not {named}"


_REASONS: Final[Mapping[str, Callable[[Request, Context], str]]] = {
    "promote": _why_promote_is_ignored,
    "promote-full": _why_promote_full_is_ignored,
    "abort": _why_abort_is_ignored,
    "undo": _why_undo_is_ignored,
    "retry": _why_retry_is_ignored,
    "restore": restore.why_restore_is_ignored,
    "trust": restore.why_trust_is_ignored,
    "pause": pauses.why_pause_is_ignored,
    "resume": pauses.why_resume_is_ignored,
    lost_pods.FORGET: lost_pods.why_forget_is_ignored,
}
ACTIONS: Final = tuple(_REASONS)


def abort(context: Context, _protocol: Protocol) -> Transition | None:
    """The rollout of the candidate is aborted on request."""
    rollout = context.status.rollout
    request = None if rollout is None else request_for(context, "abort", rollout.run_id)
    if rollout is None or request is None:
        return None
    status = rollback.roll_back_candidate(context, reason=f"aborted on request{request.author}: {request.note}")
    message = f"Rollout of {rollout.run_id} aborted {place(rollout)}; {serving(status)}"
    return done(context, request, status, message)


def undo(context: Context, _protocol: Protocol) -> Transition | None:
    """The stable run is taken out of service on request, also while another run is being rolled out."""
    stable, rollout = context.status.stable, context.status.rollout
    request = None if stable is None else request_for(context, "undo", stable.run_id)
    if stable is None or request is None:
        return None
    status = rollback.roll_back_stable(
        context, reason=f"taken out of service on request{request.author}: {request.note}"
    )
    restarted = "" if rollout is None else f"; the rollout of {rollout.run_id} starts its stage again"
    return done(context, request, status, f"{stable.run_id} taken out of service; {serving(status)}{restarted}")


def retry(context: Context, _protocol: Protocol) -> Transition | None:
    """A run that was rolled back or refused is rolled out again on request."""
    candidate = context.status.candidate
    if candidate is None or candidate.run_id != context.spec.run_id:
        return None
    request = request_for(context, "retry", candidate.run_id)
    if request is None:
        return None
    status = spec_changes.begin_attempt(context)
    attempt = next_attempt(context.status, candidate.run_id)
    return done(context, request, status, f"Rollout of {candidate.run_id} restarted, attempt {attempt}")


def promote_full(context: Context, _protocol: Protocol) -> Transition | None:
    """Soaks and metric gates are skipped on request; what the candidate waits for besides is not."""
    rollout = context.status.rollout
    request = None if rollout is None else request_for(context, "promote-full", rollout.run_id)
    if rollout is None or request is None:
        return None
    status = context.status.changed(candidate=rollout.changed(promote_full=request.note))
    message = f"Promotion of {rollout.run_id} without evidence requested: soaks and metric gates are skipped"
    return done(context, request, status, message)


def promote_one_step(context: Context, protocol: Protocol) -> Transition | None:
    """The candidate advances one step on request: skips soak and missing evidence, never a Fail or a confirmation."""
    candidate = context.status.candidate
    higher = None if candidate is None else next_step(context.spec.canary, percent=candidate.percent)
    request = promote_request(context, protocol)
    if candidate is None or request is None or higher is None or not protocol.has_passed_checks(context, higher):
        return None
    message = f"Advanced from {candidate.percent:g} % to {higher:g} %{_without_evidence(context)}"
    status, is_proven = promotion.advance_to(context, candidate, higher), promotion.is_proven(context)
    return done(context, request, status, message, is_proven=is_proven)


def promote_into_the_bake(context: Context, protocol: Protocol) -> Transition | None:
    """The last stage ends on request: the candidate bakes."""
    candidate = context.status.candidate
    request = promote_request(context, protocol) if bake.is_before_bake(context) else None
    if candidate is None or request is None:
        return None
    message = f"{bake.message_of_begin(context, candidate)}{_without_evidence(context)}"
    is_proven = promotion.is_proven(context)
    return done(context, request, bake.begin(context, candidate), message, is_proven=is_proven)


def promote_the_last_step(context: Context, protocol: Protocol) -> Transition | None:
    """The last stage, or the bake, ends on request: the candidate becomes the stable run."""
    candidate = context.status.candidate
    request = promote_request(context, protocol)
    if candidate is None or request is None or candidate.percent < ALL_USERS:
        return None
    how = " before the end of its bake" if candidate.bake else _without_evidence(context)
    message = f"{candidate.run_id} promoted to stable{how}"
    is_proven = promotion.is_proven(context) and candidate.bake is None
    return done(context, request, promotion.promote(context), message, is_proven=is_proven)


def _without_evidence(context: Context) -> str:
    return "" if promotion.is_proven(context) else " without waiting for evidence"


def has_promote_request(context: Context) -> bool:
    """Return whether a request to promote the current stage has not been carried out yet."""
    rollout = context.status.rollout
    request = None if rollout is None else request_for(context, "promote", rollout.run_id)
    return request is not None and not _why_promote_is_ignored(request, context)


def promote_request(context: Context, protocol: Protocol) -> Request | None:
    """Return the request that ends the current stage now, None if there is none or pods do not confirm it."""
    candidate = context.status.candidate
    if candidate is None or candidate.stage_started_at is None or not protocol.may_move_forward(context):
        return None
    request = request_for(context, "promote", candidate.run_id)
    return request if request is not None and not _why_promote_is_ignored(request, context) else None
