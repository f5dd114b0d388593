"""Which checks are made before a step, and the id of each question.

The id is made from everything that an answer is valid for: another run, digest, stage, attempt, step or endpoint is
another question. It does not change from request to request, so that a receiver can recognise a repeated one.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from serin_core.api.check_status import CheckVerdict
from serin_core.api.checks import Check
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Candidate
from serin_core.backoff import backoff
from serin_core.rollout.canary_steps import effective_steps, next_step

_FIRST_PAUSE: Final = timedelta(seconds=10)
_LONGEST_PAUSE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Question:
    """One check before one step of one attempt."""

    check: Check
    id: str
    before: float
    """The step in percent."""


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """The result of one request: a verdict, or none and why."""

    id: str
    name: str
    number: int
    verdict: CheckVerdict | None
    message: str
    at: datetime


def target(spec: SuggestionModelSpec, candidate: Candidate) -> float | None:
    """Return the percent of the next step of a stage that has started; None if no step follows."""
    if candidate.stage_started_at is None:
        return None
    following = next_step(spec.canary, percent=candidate.percent)
    return effective_steps(spec.canary)[-1] if following is not None and candidate.promote_full else following


def declared(spec: SuggestionModelSpec, *, percent: float, to: float) -> tuple[Check, ...]:
    """Return the checks before a step from `percent` to `to`, which may pass over others."""
    return tuple(
        check
        for check in spec.gates.checks
        if percent < to and (check.before is None or any(percent < before <= to for before in check.before))
    )


def questions(spec: SuggestionModelSpec, candidate: Candidate, *, uid: str, to: float) -> tuple[Question, ...]:
    """Return the questions that must be answered with Pass before the step to `to` begins."""
    return tuple(
        Question(check, _id(check, candidate, uid, to), to)
        for check in declared(spec, percent=candidate.percent, to=to)
    )


def _id(check: Check, candidate: Candidate, uid: str, to: float) -> str:
    about = [uid, check.name, check.endpoint, candidate.run_id, candidate.digest, candidate.attempt, candidate.stage]
    return hashlib.sha256(json.dumps([*about, to]).encode()).hexdigest()[:32]


def pause_after(answers: int) -> timedelta:
    """Return the time until the next request after a number of answers and errors: 10 s, doubled up to 5 min."""
    return backoff(_FIRST_PAUSE, _LONGEST_PAUSE, failures=answers)
