"""The decision on one transaction: which answer is shown, and what is counted. Pure: runs no model, counts nothing.

The run of the series is the candidate; without a candidate it is the stable run, which is compared with the rules.
"""

import msgspec

from serin_core.contract.documents import ServedRun
from serin_core.contract.routing import is_confident
from serin_server.metrics.counters import Agree, AnswerSource, Fallback
from serin_server.runs.predictor import (
    Failed,
    NotRequested,
    Predicted,
    Prediction,
    PredictionResult,
    Unavailable,
)


class FromRun(msgspec.Struct, frozen=True):
    """A run's prediction, at or above the threshold of its class."""

    run: str
    prediction: Prediction
    threshold: float

    @property
    def label(self) -> str:
        """Return the class that is suggested."""
        return self.prediction.first.label


class FromRules(msgspec.Struct, frozen=True):
    """The class of the rule that matched."""

    label: str
    keyword: str


class Declined(msgspec.Struct, frozen=True):
    """A run that was asked for a suggestion and made none."""

    run: str
    result: PredictionResult
    threshold: float
    """Threshold of the predicted class; 0 without a prediction in time."""


class NoSuggestion(msgspec.Struct, frozen=True):
    """No rule matched, and no run was confident enough."""

    label: str = ""
    declined: tuple[Declined, ...] = ()
    """The runs that could have answered this user, in the order in which they were asked."""

    def after(self, run: ServedRun, result: PredictionResult) -> "NoSuggestion":
        """Return the same, after another run made no suggestion."""
        threshold = run.thresholds.of(result.prediction.first.label) if isinstance(result, Predicted) else 0.0
        return NoSuggestion(declined=(*self.declined, Declined(run.run, result, threshold)))


Answer = FromRun | FromRules | NoSuggestion


class RequestDecision(msgspec.Struct, frozen=True):
    """The answer to one transaction, and what it adds to the counts of its stage and arm."""

    answer: Answer
    first_label: str = ""
    """First label of the run of the series, whatever its confidence; "" without a prediction in time."""
    agree: Agree | None = None
    """Result of the comparison; None: not compared."""
    fallback: Fallback | None = None
    """Why the run of the series was not shown; None: it was."""
    is_shown_in_time: bool | None = None
    """Whether a confident prediction in the canary was shown; None: there was none."""
    is_low_confidence: bool = False
    """Whether the prediction of the run of the series was below its threshold."""
    is_shadow: bool = False
    """Whether the run of the series was compared and not shown."""

    @property
    def source(self) -> AnswerSource:
        """Return the source of the answer; `rule` also if there is no suggestion."""
        return AnswerSource.MODEL if isinstance(self.answer, FromRun) else AnswerSource.RULE

    @property
    def is_accepted(self) -> bool:
        """Return whether the run of the series was shown."""
        return self.fallback is None


def control_answer(stable: ServedRun | None, result: PredictionResult, rule: FromRules | NoSuggestion) -> Answer:
    """Return the answer without a candidate: the stable run's if it is confident enough, else the rule's."""
    match stable, result:
        case ServedRun(), Predicted(prediction=prediction) if _is_confident(prediction, stable):
            return _from_run(stable, prediction)
        case ServedRun(), _ if isinstance(rule, NoSuggestion):
            return rule.after(stable, result)
        case _:
            return rule


class CandidateContext(msgspec.Struct, frozen=True):
    """Role of the run of the series in one request."""

    run: ServedRun
    may_answer: bool
    """Whether its prediction may be shown to this user."""
    in_canary: bool
    is_compared: bool


def decide(context: CandidateContext, result: PredictionResult, *, control: Answer) -> RequestDecision:
    """Return the decision, from the result of the run of the series and the answer that would be given without it."""
    reason = None if context.may_answer else Fallback.NOT_IN_CANARY
    if context.may_answer and isinstance(control, NoSuggestion):
        control = control.after(context.run, result)
    match result:
        case NotRequested():
            return RequestDecision(control, fallback=reason or Fallback.UNKNOWN)
        case Unavailable():
            return RequestDecision(control, fallback=reason or Fallback.UNAVAILABLE)
        case Failed(late=late):
            # A confident prediction that was too late counts as one that was not used.
            is_wasted = context.in_canary and late is not None and _is_confident(late, context.run)
            return RequestDecision(
                control, fallback=reason or Fallback.UNKNOWN, is_shown_in_time=False if is_wasted else None
            )
        case Predicted(prediction=prediction):
            return _decide_predicted(context, prediction, control=control, reason=reason)


def _decide_predicted(
    context: CandidateContext, prediction: Prediction, *, control: Answer, reason: Fallback | None
) -> RequestDecision:
    is_confident_enough = _is_confident(prediction, context.run)
    agree = _agreement(prediction, control) if context.is_compared else None
    if reason is None and is_confident_enough:
        return RequestDecision(
            _from_run(context.run, prediction),
            first_label=prediction.first.label,
            agree=agree,
            is_shown_in_time=True if context.in_canary else None,
        )
    return RequestDecision(
        control,
        first_label=prediction.first.label,
        agree=agree,
        fallback=reason or Fallback.LOW_CONFIDENCE,
        is_low_confidence=not is_confident_enough,
        is_shadow=agree is not None,
    )


def _agreement(prediction: Prediction, control: Answer) -> Agree:
    match control:
        case NoSuggestion():
            return Agree.NONE
        case FromRun(label=label) | FromRules(label=label):
            return Agree.TRUE if label == prediction.first.label else Agree.FALSE


def _is_confident(prediction: Prediction, run: ServedRun) -> bool:
    return is_confident(prediction.first.label, prediction.first.confidence, run.thresholds)


def _from_run(run: ServedRun, prediction: Prediction) -> FromRun:
    return FromRun(run.run, prediction, run.thresholds.of(prediction.first.label))
