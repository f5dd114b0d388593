"""Suggestions: one transaction is matched with the rules and the runs, decided, counted, and given an event id.

Synchronous from the first call of a run to the last count, so that the counts of one transaction are never incomplete.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from serin_core.contract.routing import is_in_share
from serin_core.model.features import Transaction
from serin_server.clock import Clock
from serin_server.decision import (
    Answer,
    CandidateContext,
    FromRules,
    FromRun,
    NoSuggestion,
    RequestDecision,
    control_answer,
    decide,
)
from serin_server.event_ids import Event, sign
from serin_server.metrics.counters import AnswerSource, Arm, ArmCounts, Fallback
from serin_server.metrics.user_agreement import UserCounts
from serin_server.routing.serving_state import NamedRun, Serving
from serin_server.rule_matcher import KeywordMatcher
from serin_server.runs.predictor import (
    Failed,
    Failure,
    NotRequested,
    Predicted,
    Unavailable,
    count_inputs,
    explain,
    predict_guarded,
)
from serin_server.tokens import Tokens

SHADOW_SECONDS: Final = 0.1
"""Time that one request may spend on predictions that are only compared; the rest of a batch is not compared."""
UNINTERRUPTED: Final = 16
"""Transactions of a batch after which other requests are let in."""
_MILLISECONDS: Final = 1000


class Suggestion(msgspec.Struct, frozen=True):
    """The suggestion for one transaction."""

    txn_id: str
    answer: Answer
    event_id: str
    """Id for feedback on this suggestion."""
    words: tuple[str, ...] = ()
    """Words of the transaction that were most important for the run, strongest first."""


class ShadowBudget:
    """Time that one request has spent on predictions that are only compared, and whether one of them was too late."""

    __slots__ = ("seconds", "was_late")

    def __init__(self) -> None:
        self.seconds, self.was_late = 0.0, False


class Suggester:
    """Makes suggestions. Has no state of any request."""

    def __init__(self, rules: KeywordMatcher, *, users: UserCounts, tokens: Tokens, clock: Clock) -> None:
        self._rules, self._users, self._tokens, self._clock = rules, users, tokens, clock

    def suggest_now(self, transactions: Sequence[Transaction], serving: Serving) -> list[Suggestion]:
        """Return the suggestions for at most UNINTERRUPTED transactions of one request."""
        suggest, in_shadow = self.suggest, ShadowBudget()
        return [suggest(transaction, serving, in_shadow) for transaction in transactions]

    async def suggest_batch(self, transactions: Sequence[Transaction], serving: Serving) -> list[Suggestion]:
        """Return the suggestions for all transactions of one request, and let other requests in between."""
        suggest, in_shadow = self.suggest, ShadowBudget()
        suggestions = []
        for number, transaction in enumerate(transactions, start=1):
            suggestions.append(suggest(transaction, serving, in_shadow))
            if number % UNINTERRUPTED == 0:
                await asyncio.sleep(0)
        return suggestions

    def suggest(self, transaction: Transaction, serving: Serving, in_shadow: ShadowBudget) -> Suggestion:
        """Return the suggestion for one transaction. Never fails because of a run.

        `serving` and `in_shadow` are the same for all transactions of a request.
        """
        user = serving.user_hash(transaction.user_id)
        in_canary = bool(transaction.user_id) and is_in_share(user, serving.percent)
        arm = Arm.CANARY if in_canary else Arm.CONTROL
        counts = serving.counts.arms[arm]
        decision = self._decide(transaction, serving, in_shadow, in_canary=in_canary, counts=counts)
        _count(decision, counts)
        if decision.agree is not None and transaction.user_id:
            self._users.add(serving.counts, arm=arm, user=user, agree=decision.agree)
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
            sign(event, self._tokens.keys()[0]),
            words=_words(decision.answer, transaction, serving),
        )

    def _decide(
        self, transaction: Transaction, serving: Serving, in_shadow: ShadowBudget, *, in_canary: bool, counts: ArmCounts
    ) -> RequestDecision:
        rule = self._rule(transaction)
        match serving.candidate, serving.stable:
            case None, None:
                return RequestDecision(rule, fallback=Fallback.NOT_IN_CANARY)
            case None, NamedRun() as stable:
                # No candidate: the stable run serves all users, and may be compared with the rules.
                context = CandidateContext(stable.served, may_answer=True, in_canary=False, is_compared=serving.shadow)
                return decide(context, self._predict_counted(stable, transaction, counts=counts), control=rule)
            case NamedRun() as candidate, None:
                control: Answer = rule
            case NamedRun() as candidate, NamedRun() as stable:
                control = control_answer(stable.served, self._predict(stable, transaction), rule)
        has_time = in_shadow.seconds < SHADOW_SECONDS
        is_run = in_canary or (serving.shadow and has_time)
        context = CandidateContext(candidate.served, may_answer=in_canary, in_canary=in_canary, is_compared=is_run)
        result = self._predict_counted(candidate, transaction, counts=counts) if is_run else NotRequested()
        if not in_canary and isinstance(result, Predicted | Failed):
            in_shadow.seconds += result.seconds
            in_shadow.was_late |= isinstance(result, Failed) and result.failure is Failure.TOO_SLOW
        elif serving.shadow and not is_run and in_shadow.was_late:
            # Not compared because the run was late: without this count, a slow batch would count as one prediction.
            counts.requests[False] += 1
        return decide(context, result, control=control)

    def _rule(self, transaction: Transaction) -> FromRules | NoSuggestion:
        match = self._rules.match(transaction)
        return NoSuggestion() if match is None else FromRules(match.label, match.keyword)

    def _predict(self, named: NamedRun, transaction: Transaction) -> Unavailable | Failed | Predicted:
        result = predict_guarded(named.loaded, transaction, calibrated=named.served.calibration, clock=self._clock)
        if named.inputs is not None and named.inputs.is_due() and isinstance(result, Predicted):
            count_inputs(named.loaded, named.inputs, transaction, result.prediction)
        return result

    def _predict_counted(
        self, named: NamedRun, transaction: Transaction, *, counts: ArmCounts
    ) -> Unavailable | Failed | Predicted:
        """Return the prediction of the run of the series, and count it once, whatever the result."""
        result = self._predict(named, transaction)
        match result:
            case Unavailable():
                counts.requests[False] += 1
            case Predicted(seconds=seconds):
                counts.requests[True] += 1
                counts.observe(seconds)
            case Failed(seconds=seconds):
                counts.requests[True] += 1
                counts.failures += 1
                counts.observe(seconds)
        return result


def _words(answer: Answer, transaction: Transaction, serving: Serving) -> tuple[str, ...]:
    if not isinstance(answer, FromRun):
        return ()
    candidate = serving.candidate
    named = candidate if candidate is not None and candidate.served.run == answer.run else serving.stable
    return () if named is None else explain(named.loaded, transaction, label=answer.label)


def _count(decision: RequestDecision, counts: ArmCounts) -> None:
    counts.source[decision.source] += 1
    if decision.is_shadow:
        counts.source[AnswerSource.SHADOW] += 1
    counts.predictions[decision.is_accepted] += 1
    if decision.fallback is not None:
        counts.fallback[decision.fallback] += 1
    if decision.is_shown_in_time is not None:
        counts.confident[decision.is_shown_in_time] += 1
    if decision.agree is not None:
        counts.count_comparison(decision.first_label, decision.agree)
    if decision.is_low_confidence:
        counts.count_low_confidence(decision.first_label)
