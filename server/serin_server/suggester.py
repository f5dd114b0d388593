"""One suggestion: asks rules and runs, decides, counts, and signs the event id.

Synchronous from the first question to the last count, so that what is counted of one transaction is never half there.
"""

from typing import Final

import msgspec

from serin_core.model.features import Transaction
from serin_server.clock import Clock
from serin_server.decision import (
    Answer,
    CandidateContext,
    Decision,
    FromRules,
    FromRun,
    NoAnswer,
    control_answer,
    decide,
)
from serin_server.event_ids import Event, sign
from serin_server.metrics.counters import Arm, ArmCounts, Source
from serin_server.metrics.user_agreement import UserCounts
from serin_server.routing.serving_state import NamedRun, Serving
from serin_server.rule_matcher import KeywordMatcher
from serin_server.runs.predictor import Failed, Failure, NotAsked, Predicted, Unavailable, attempt, explain
from serin_server.tokens import Tokens

SHADOW_SECONDS: Final = 0.1
"""So long one request asks runs whose answers nobody is shown; what is left of a batch then goes without."""
_MILLISECONDS: Final = 1000


class Suggestion(msgspec.Struct, frozen=True):
    """What one transaction is answered, and the id under which feedback on it is taken."""

    txn_id: str
    answer: Answer
    source: Source
    event_id: str
    words: tuple[str, ...] = ()
    """Of the transaction, those because of which a run answered; strongest first."""


class ShadowBudget:
    """How long one request has asked a run whose answers nobody is shown, and whether one of them came too late."""

    __slots__ = ("seconds", "was_late")

    def __init__(self) -> None:
        self.seconds, self.was_late = 0.0, False


class Suggester:
    """Answers transactions. Holds nothing of any request."""

    def __init__(self, rules: KeywordMatcher, *, users: UserCounts, tokens: Tokens, clock: Clock) -> None:
        self._rules, self._users, self._tokens, self._clock = rules, users, tokens, clock

    def suggest(self, transaction: Transaction, serving: Serving, in_shadow: ShadowBudget) -> Suggestion:
        """Answer one transaction by the Serving with which its request began. Never fails because of a run.

        `in_shadow`: of the request that brought it.
        """
        user = serving.user_hash(transaction.user_id)
        in_canary = bool(transaction.user_id) and serving.has_in_canary(user)
        arm = Arm.CANARY if in_canary else Arm.CONTROL
        counts = serving.counts.arms[arm]
        decision = self._decide(transaction, serving, in_shadow, in_canary=in_canary, counts=counts)
        _count(decision, counts)
        if decision.agree is not None and transaction.user_id:
            self._users.compared(serving.counts, arm=arm, user=user, agree=decision.agree)
        event = Event(
            at=int(self._clock.now() * _MILLISECONDS),
            user=user,
            txn_id=transaction.txn_id,
            run_id=serving.counts.key.run_id,
            stage=serving.counts.key.stage,
            arm=arm,
            label=decision.answer.label,
        )
        return Suggestion(
            transaction.txn_id,
            decision.answer,
            decision.source,
            sign(event, self._tokens.keys()[0]),
            words=_words(decision.answer, transaction, serving),
        )

    def _decide(
        self, transaction: Transaction, serving: Serving, in_shadow: ShadowBudget, *, in_canary: bool, counts: ArmCounts
    ) -> Decision:
        rule = self._rule(transaction)
        match serving.candidate, serving.stable:
            case None, None:
                return Decision(rule)
            case None, NamedRun() as stable:
                # Nothing is on trial: the stable run answers everybody, and may be compared with the rules.
                trial = CandidateContext(stable.served, may_answer=True, in_canary=False, is_compared=serving.shadow)
                return decide(trial, self._ask_counted(stable, transaction, counts=counts), control=rule)
            case NamedRun() as candidate, None:
                control: Answer = rule
            case NamedRun() as candidate, NamedRun() as stable:
                control = control_answer(stable.served, self._ask(stable, transaction), rule)
        has_time = in_shadow.seconds < SHADOW_SECONDS
        is_asked = in_canary or (serving.shadow and has_time)
        trial = CandidateContext(candidate.served, may_answer=in_canary, in_canary=in_canary, is_compared=is_asked)
        asked = self._ask_counted(candidate, transaction, counts=counts) if is_asked else NotAsked()
        if not in_canary and isinstance(asked, Predicted | Failed):
            in_shadow.seconds += asked.seconds
            in_shadow.was_late |= isinstance(asked, Failed) and asked.failure is Failure.TOO_SLOW
        elif serving.shadow and not is_asked and in_shadow.was_late:
            # Left out because the run was late: were that not counted, a slow batch would speak by one answer alone.
            counts.requests[False] += 1
        return decide(trial, asked, control=control)

    def _rule(self, transaction: Transaction) -> FromRules | NoAnswer:
        match = self._rules.match(transaction)
        return NoAnswer() if match is None else FromRules(match.label, match.keyword)

    def _ask(self, named: NamedRun, transaction: Transaction) -> Unavailable | Failed | Predicted:
        return attempt(named.loaded, transaction, calibrated=named.served.calibration, clock=self._clock)

    def _ask_counted(
        self, named: NamedRun, transaction: Transaction, *, counts: ArmCounts
    ) -> Unavailable | Failed | Predicted:
        """Ask the run of the series, and count that it was asked: once per transaction, whatever comes of it."""
        asked = self._ask(named, transaction)
        match asked:
            case Unavailable():
                counts.requests[False] += 1
            case Predicted(seconds=seconds):
                counts.requests[True] += 1
                counts.observe(seconds)
            case Failed(seconds=seconds):
                counts.requests[True] += 1
                counts.failures += 1
                counts.observe(seconds)
        return asked


def _words(answer: Answer, transaction: Transaction, serving: Serving) -> tuple[str, ...]:
    if not isinstance(answer, FromRun):
        return ()
    candidate = serving.candidate
    named = candidate if candidate is not None and candidate.served.run == answer.run else serving.stable
    return () if named is None else explain(named.loaded, transaction, label=answer.label)


def _count(decision: Decision, counts: ArmCounts) -> None:
    counts.source[decision.source] += 1
    if decision.is_shadow:
        counts.source[Source.SHADOW] += 1
    if decision.fallback is not None:
        counts.fallback[decision.fallback] += 1
    if decision.is_accepted is not None:
        counts.predictions[decision.is_accepted] += 1
    if decision.agree is not None:
        counts.compared(decision.first_label, decision.agree)
    if decision.is_low_confidence:
        counts.doubted(decision.first_label)
