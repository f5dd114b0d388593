"""Rule 12: another system is asked before a step begins.

It is asked once everything else is ready for the step, and only then; the requests are made outside of the decision,
and their results come with a later observation. Fail rolls back. Wait, and every error, hold the step and nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from serin_core.api.base import Json
from serin_core.api.check_status import CheckStatus, CheckVerdict
from serin_core.api.status import Candidate, Status
from serin_core.contract.check_document import CheckedResource, CheckedRun, CheckedStep, CheckRequest
from serin_core.gates.formatting import quoted
from serin_core.rollout import manual_actions, promotion, rollback
from serin_core.rollout.check_questions import CheckAnswer, Question, pause_after, questions, target
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import Transition


@dataclass(frozen=True, slots=True)
class CheckCall:
    """A request that is to be made now, unless it is being made already."""

    id: str
    name: str
    number: int
    endpoint: str
    timeout: timedelta | None
    document: Json


def check_fails(context: Context, protocol: Protocol) -> Transition | None:
    """An endpoint answers Fail: the run is rolled back."""
    for candidate, entry, answer in _new_answers(context, protocol):
        if answer.verdict is CheckVerdict.FAIL:
            reason = f"check {entry.name} (endpoint {entry.endpoint}) failed before {entry.before:g} %"
            noted = _with_entry(context, answered(entry, answer))
            return rollback.rolled_back(replace(context, status=noted), candidate, reason + quoted(answer.message))
    return None


def check_passes(context: Context, protocol: Protocol) -> Transition | None:
    """An endpoint answers Pass: the answer is kept, for this stage of this attempt."""
    for candidate, entry, answer in _new_answers(context, protocol):
        if answer.verdict is CheckVerdict.PASS:
            message = f"Check {entry.name} (endpoint {entry.endpoint}) passed before {entry.before:g} %"
            status = _with_entry(context, answered(entry, answer))
            return Transition(status, candidate.run_id, message + quoted(answer.message))
    return None


def note_answers(context: Context, protocol: Protocol) -> Status:
    """Return the status with the checks of the next step alone, and with answers that hold it: Wait, and errors."""
    status, rollout = context.status, context.status.rollout
    if rollout is None:
        return status
    asked = {question.id for question in _questions(context, rollout)}
    checks = [entry for entry in status.checks if entry.id in asked]
    for answer in context.observed.check_answers:
        if answer.verdict not in (CheckVerdict.PASS, CheckVerdict.FAIL):
            checks = [answered(one, answer) if _is_new(one, answer, protocol) else one for one in checks]
    return status.changed(checks=tuple(checks))


def begin(context: Context, protocol: Protocol) -> Status:
    """Return the status with the checks that are to be made now, because everything else is ready for the step."""
    status, rollout = context.status, context.status.rollout
    if rollout is None or not is_ready_but_for_checks(context, protocol):
        return status
    known = {entry.id for entry in status.checks}
    begun = tuple(
        CheckStatus(
            name=question.check.name,
            endpoint=question.check.endpoint,
            id=question.id,
            before=question.before,
            since=context.now,
        )
        for question in _questions(context, rollout)
        if question.id not in known and is_known(context, question.check.endpoint)
    )
    return status.changed(checks=(*status.checks, *begun))


def calls(context: Context, protocol: Protocol) -> tuple[CheckCall, ...]:
    """Return the requests that are to be made now."""
    rollout = context.status.rollout
    if rollout is None or not is_ready_but_for_checks(context, protocol):
        return ()
    asked = {question.id: question for question in _questions(context, rollout)}
    return tuple(
        _call(context, rollout, asked[entry.id], entry)
        for entry in context.status.checks
        if entry.is_open and entry.id in asked and (entry.retry_at is None or entry.retry_at <= context.now)
    )


def is_ready_but_for_checks(context: Context, protocol: Protocol) -> bool:
    """Return whether the next step would begin now if there were no checks: by evidence or by request."""
    if context.failed_gates:
        return False
    is_proven = context.is_judged and promotion.may_step(context, protocol)
    return is_proven or manual_actions.promote_request(context, protocol) is not None


def is_known(context: Context, endpoint: str) -> bool:
    """Return whether the operator's configuration has an endpoint, or it is not known what it has."""
    known = context.observed.check_endpoints
    return known is None or endpoint in known


def next_request(context: Context) -> timedelta | None:
    """Return the time until the next request of a check, None if none is waited for."""
    times = [entry.retry_at - context.now for entry in context.status.checks if entry.is_open and entry.retry_at]
    return max(min(times), timedelta(milliseconds=100)) if times else None


def answered(entry: CheckStatus, answer: CheckAnswer) -> CheckStatus:
    """Return a check with an answer, and when it is asked again unless that was the last one."""
    is_last = answer.verdict in (CheckVerdict.PASS, CheckVerdict.FAIL)
    retry_at = None if is_last else answer.at + pause_after(answer.number)
    update = {"answers": answer.number, "verdict": answer.verdict, "message": answer.message, "retry_at": retry_at}
    return entry.model_copy(update=update)


def _questions(context: Context, rollout: Candidate) -> tuple[Question, ...]:
    to = target(context.spec, rollout)
    return () if to is None else questions(context.spec, rollout, uid=context.resource.uid, to=to)


def _new_answers(context: Context, protocol: Protocol) -> Iterator[tuple[Candidate, CheckStatus, CheckAnswer]]:
    """Yield answers to what is asked now; late and repeated ones are no answers."""
    rollout = context.status.rollout
    for answer in context.observed.check_answers if rollout is not None else ():
        for entry in context.status.checks:
            if rollout is not None and _is_new(entry, answer, protocol):
                yield rollout, entry, answer


def _is_new(entry: CheckStatus, answer: CheckAnswer, protocol: Protocol) -> bool:
    return entry.is_open and protocol.is_answer_to(entry, answer)


def _call(context: Context, rollout: Candidate, question: Question, entry: CheckStatus) -> CheckCall:
    resource = context.resource
    document = CheckRequest(
        id=entry.id,
        number=entry.answers + 1,
        check=entry.name,
        resource=CheckedResource(namespace=resource.namespace, name=resource.name, uid=resource.uid),
        run=CheckedRun(name=rollout.run_id, digest=rollout.digest or "", attempt=rollout.attempt),
        step=CheckedStep(current_percent=rollout.percent, percent=entry.before, stage=rollout.stage or 0),
        sent_at=context.now,
        evidence=context.status.gates,
    )
    return CheckCall(
        id=entry.id,
        name=entry.name,
        number=entry.answers + 1,
        endpoint=entry.endpoint,
        timeout=question.check.timeout,
        document=document.model_dump(mode="json", exclude_none=True),
    )


def _with_entry(context: Context, entry: CheckStatus) -> Status:
    others = tuple(entry if one.id == entry.id else one for one in context.status.checks)
    return context.status.changed(checks=others)
