"""Who answers one transaction, and what is to be counted of it. Pure: asks no run, counts nothing (docs/contracts.md).

The run of the series is the run on trial; while there is none it is the stable run, compared with the rules.
"""

import msgspec

from serin_core.contract.documents import ServedRun
from serin_core.contract.routing import is_confident
from serin_server.metrics.counters import Agree, Fallback, Source
from serin_server.runs.predictor import Attempt, Failed, NotAsked, Predicted, Prediction, Unavailable


class FromRun(msgspec.Struct, frozen=True):
    """A run's answer, over its class's threshold."""

    run: str
    prediction: Prediction
    threshold: float

    @property
    def label(self) -> str:
        """Answer the class that is suggested."""
        return self.prediction.first.label


class FromRules(msgspec.Struct, frozen=True):
    """A rule's answer."""

    label: str
    keyword: str


class NoAnswer(msgspec.Struct, frozen=True):
    """No rule matched, and no run was sure enough."""

    label: str = ""


Answer = FromRun | FromRules | NoAnswer


class Decision(msgspec.Struct, frozen=True):
    """The answer, and what one transaction adds to the counts of its stage and arm."""

    answer: Answer
    first_label: str = ""
    """What the run of the series gave first, however sure it was; "" if it gave nothing in time."""
    agree: Agree | None = None
    """None: nothing was compared."""
    fallback: Fallback | None = None
    """None: the run of the series answered, or there is no such run."""
    is_accepted: bool | None = None
    """None: not an answer in the canary that was available and over its threshold."""
    is_low_confidence: bool = False
    """The run of the series answered under its threshold."""
    is_shadow: bool = False
    """The run of the series was compared and not shown."""

    @property
    def source(self) -> Source:
        """Answer who answered; the rules also where nobody did."""
        return Source.MODEL if isinstance(self.answer, FromRun) else Source.RULE


def control_answer(stable: ServedRun | None, asked: Attempt, rule: FromRules | NoAnswer) -> Answer:
    """Answer what the user would see without a trial: the stable run over its threshold, else the rules."""
    match stable, asked:
        case ServedRun(), Predicted(prediction=prediction) if _is_sure(prediction, stable):
            return _from_run(stable, prediction)
        case _:
            return rule


class CandidateContext(msgspec.Struct, frozen=True):
    """How the run of the series stands in one request."""

    run: ServedRun
    may_answer: bool
    """Whether this user may be shown it."""
    in_canary: bool
    is_compared: bool


def decide(trial: CandidateContext, asked: Attempt, *, control: Answer) -> Decision:
    """Decide one transaction, given what the run of the series said and what the user would see without it."""
    reason = None if trial.may_answer else Fallback.NOT_IN_CANARY
    match asked:
        case NotAsked():
            return Decision(control, fallback=reason or Fallback.UNKNOWN)
        case Unavailable():
            return Decision(control, fallback=reason or Fallback.UNAVAILABLE)
        case Failed(late=late):
            # An answer over its threshold that came too late was eligible, and was not used.
            is_wasted = trial.in_canary and late is not None and _is_sure(late, trial.run)
            return Decision(control, fallback=reason or Fallback.UNKNOWN, is_accepted=False if is_wasted else None)
        case Predicted(prediction=prediction):
            return _decide_predicted(trial, prediction, control=control, reason=reason)


def _decide_predicted(
    trial: CandidateContext, prediction: Prediction, *, control: Answer, reason: Fallback | None
) -> Decision:
    is_sure = _is_sure(prediction, trial.run)
    agree = _agreement(prediction, control) if trial.is_compared else None
    if reason is None and is_sure:
        return Decision(
            _from_run(trial.run, prediction),
            first_label=prediction.first.label,
            agree=agree,
            is_accepted=True if trial.in_canary else None,
        )
    return Decision(
        control,
        first_label=prediction.first.label,
        agree=agree,
        fallback=reason or Fallback.LOW_CONFIDENCE,
        is_low_confidence=not is_sure,
        is_shadow=agree is not None,
    )


def _agreement(prediction: Prediction, control: Answer) -> Agree:
    match control:
        case NoAnswer():
            return Agree.NONE
        case FromRun(label=label) | FromRules(label=label):
            return Agree.TRUE if label == prediction.first.label else Agree.FALSE


def _is_sure(prediction: Prediction, run: ServedRun) -> bool:
    return is_confident(prediction.first.label, prediction.first.confidence, run.thresholds)


def _from_run(run: ServedRun, prediction: Prediction) -> FromRun:
    return FromRun(run.run, prediction, run.thresholds.of(prediction.first.label))
