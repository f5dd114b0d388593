"""What people ask for by annotation (contracts, "Requests by people"): rules of the transition table, and the answers.

`request.serin.dev/<action>: "<runID> <anything that makes it new>"`; promote names its stage too: `"<runID> 10 ..."`.
Every value acts at most once and only for the run (and stage) that it names; all answers are remembered in status.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from serin_core.api.status import HandledRequest, Status, TrialState
from serin_core.contract.names import REQUEST_PREFIX
from serin_core.rollout import promotion, rollback, spec_changes
from serin_core.rollout.canary_steps import next_step
from serin_core.rollout.observation import Resource
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import EVERYBODY, Transition

ACTIONS = ("promote", "promote-full", "abort", "retry")
NEW_OBJECT = "Ignored: new object, ask again"


@dataclass(frozen=True, slots=True)
class Request:
    """One annotation that nobody has answered yet."""

    action: str
    value: str

    @property
    def run_id(self) -> str:
        """Answer the run that it names, "" for none."""
        return self.value.split()[0] if self.value.split() else ""

    @property
    def percent(self) -> float | None:
        """Answer the stage that a promote names, None where it names none."""
        words = self.value.split()
        try:
            return float(words[1].removesuffix("%"))
        except (IndexError, ValueError):
            return None


def unanswered(resource: Resource, status: Status) -> tuple[Request, ...]:
    """Answer the requests on the object that have not been handled, in the order of their actions."""
    handled = {(request.action, request.value) for request in status.handled_requests}
    found = (
        Request(key.removeprefix(REQUEST_PREFIX), value)
        for key, value in sorted(resource.annotations.items())
        if key.startswith(REQUEST_PREFIX)
    )
    return tuple(request for request in found if (request.action, request.value) not in handled)


def answer(status: Status, requests: Iterable[Request], text: str, *, now: datetime) -> Status:
    """Answer the status that remembers an answer to each of `requests`."""
    answered = tuple(HandledRequest(action=one.action, value=one.value, answer=text, at=now) for one in requests)
    return status.model_copy(update={"handled_requests": (*status.handled_requests, *answered)})


def ignore_what_cannot_act(context: Context) -> Status:
    """Answer the status in which every request that can no longer act has its answer: Ignored, and why."""
    status = context.status
    for request in unanswered(context.resource, status):
        if reason := _why_ignored(request, context):
            status = answer(status, (request,), f"Ignored: {reason}", now=context.now)
    return status


def _why_ignored(request: Request, context: Context) -> str:
    candidate, stable = context.status.candidate, context.status.stable
    if request.action not in ACTIONS:
        return f"unknown action {request.action}; known are {', '.join(ACTIONS)}"
    known = {run.run_id for run in (candidate, stable) if run is not None}
    if request.run_id not in known:
        # The spec may just have come to name it: then the trial begins first, and the request is looked at again.
        is_coming = request.run_id == context.spec.run_id
        return "" if is_coming else f"{request.run_id or 'no run'} is neither on trial nor stable"
    trial = context.status.trial
    is_on_trial = trial is not None and trial.run_id == request.run_id
    match request.action:
        case "abort":
            is_served = is_on_trial or (stable is not None and stable.run_id == request.run_id)
            return "" if is_served else "this run is not served"
        case "retry":
            is_over = candidate is not None and trial is None and candidate.run_id == request.run_id
            return "" if is_over and context.spec.run_id == request.run_id else "nothing to retry: this run is not over"
        case "promote-full":
            return "" if is_on_trial else "this run is not on trial"
        case _:
            return _why_promote_is_ignored(request, context)


def _why_promote_is_ignored(request: Request, context: Context) -> str:
    trial = context.status.trial
    if trial is None or trial.run_id != request.run_id or trial.state is not TrialState.RUNNING:
        return "this run is not in a stage"
    if request.percent is None:
        return 'a promote names its stage: "<runID> <percent> ..."'
    if request.percent != trial.percent:
        return f"the stage is {trial.percent:g} %, not {request.percent:g} %"
    if context.spec.suspend:
        return "spec.suspend is true"
    if trial.percent < EVERYBODY and next_step(context.spec.canary, percent=trial.percent) is None:
        return "the run is at its cap"
    return ""


def _asked(context: Context, action: str, run_id: str) -> Request | None:
    requests = unanswered(context.resource, context.status)
    return next((one for one in requests if one.action == action and one.run_id == run_id), None)


def _moved(context: Context, request: Request, status: Status, message: str) -> Transition:
    status = answer(status, (request,), f"Done: {message}", now=context.now)
    is_abort = request.action == "abort"
    return Transition(status, request.run_id, message, by=f"{request.action} {request.value}", is_warning=is_abort)


def abort_of_the_candidate(context: Context, _protocol: Protocol) -> Transition | None:
    """A person takes the run on trial back."""
    trial = context.status.trial
    request = None if trial is None else _asked(context, "abort", trial.run_id)
    if request is None:
        return None
    return _moved(context, request, rollback.take_back_candidate(context, reason="aborted by a person"), "Aborted.")


def abort_of_the_stable_run(context: Context, _protocol: Protocol) -> Transition | None:
    """A person takes the stable run back, in any state."""
    stable = context.status.stable
    request = None if stable is None else _asked(context, "abort", stable.run_id)
    if request is None:
        return None
    return _moved(context, request, rollback.take_back_stable(context, reason="aborted by a person"), "Aborted.")


def abort_of_the_stable_run_during_a_trial(context: Context, protocol: Protocol) -> Transition | None:
    """The same while another run is on trial: that trial counts anew, against the run that follows."""
    return abort_of_the_stable_run(context, protocol)


def retry(context: Context, _protocol: Protocol) -> Transition | None:
    """A person wants a run that was taken back or refused to be tried again."""
    candidate = context.status.candidate
    if candidate is None or candidate.run_id != context.spec.run_id:
        return None
    request = _asked(context, "retry", candidate.run_id)
    if request is None:
        return None
    status = spec_changes.begin_attempt(context, attempt=candidate.attempt + 1)
    return _moved(context, request, status, f"Tried again, attempt {candidate.attempt + 1}.")


def note_promote_full(context: Context) -> Status:
    """Answer the status that keeps a promote-full until it can act."""
    trial = context.status.trial
    request = None if trial is None else _asked(context, "promote-full", trial.run_id)
    if trial is None or request is None:
        return context.status
    kept = context.status.model_copy(update={"candidate": trial.model_copy(update={"promote_full": True})})
    return answer(kept, (request,), "Accepted: soaks and metric gates are skipped", now=context.now)


def promote_one_step(context: Context, protocol: Protocol) -> Transition | None:
    """A person raises one step now: soak and Inconclusive are skipped, a Fail or a missing confirmation never."""
    candidate = context.status.candidate
    higher = None if candidate is None else next_step(context.spec.canary, percent=candidate.percent)
    request = _promote_that_may_act(context, protocol)
    if candidate is None or request is None or higher is None:
        return None
    message = f"Raised from {candidate.percent:g} to {higher:g} % by a person."
    return _moved(context, request, promotion.raise_to(context, higher), message)


def promote_the_last_step(context: Context, protocol: Protocol) -> Transition | None:
    """A person ends the last stage now."""
    candidate = context.status.candidate
    request = _promote_that_may_act(context, protocol)
    if candidate is None or request is None or candidate.percent < EVERYBODY:
        return None
    return _moved(context, request, promotion.promote(context), "Promoted by a person.")


def _promote_that_may_act(context: Context, protocol: Protocol) -> Request | None:
    candidate = context.status.candidate
    if candidate is None or candidate.stage_started_at is None or not protocol.may_move_forward(context):
        return None
    request = _asked(context, "promote", candidate.run_id)
    return request if request is not None and not _why_promote_is_ignored(request, context) else None
