"""The interface of a loaded run, and guarded predictions: every failure of a run is a value, never an exception.

Values that are created for each transaction are msgspec.Structs: frozen and slotted like the dataclasses elsewhere, at
a quarter of their cost.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from serin_core.contract.pod_report import RunQuality
from serin_core.model.features import Transaction
from serin_core.model.inputs import InputBins, InputCounts, Inputs
from serin_core.model.report import Recalibration
from serin_server.clock import Clock
from serin_server.logs import location_of
from serin_server.runs.circuit_breaker import Breaker

MAX_SECONDS: Final = 0.1
"""Predictions that take longer are discarded."""

_log = logging.getLogger(__name__)


class Ranked(msgspec.Struct, frozen=True):
    """A class with its confidence, 0 to 1."""

    label: str
    confidence: float


class Prediction(msgspec.Struct, frozen=True):
    """The most probable classes of one transaction, best first, never empty."""

    ranked: tuple[Ranked, ...]

    @property
    def first(self) -> Ranked:
        """Return the most probable class."""
        return self.ranked[0]


class Predictor(Protocol):
    """A run that was loaded and checked."""

    @property
    def run(self) -> str:
        """Name of the run."""

    @property
    def digest(self) -> str:
        """SHA-256 of its manifest, `sha256:<hex>`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """All labels it can predict."""

    @property
    def quality(self) -> RunQuality:
        """Quality over all classes, from its report."""

    @property
    def f1(self) -> Mapping[str, float]:
        """F1 by class, from its report."""

    @property
    def input_bins(self) -> InputBins | None:
        """The bins by which its inputs are counted; None if its report has none."""

    @property
    def recalibration(self) -> Recalibration | None:
        """How labels from service have corrected its confidence, from its report; None if they have not."""

    def predict(self, transaction: Transaction, *, calibrated: bool, now: float | None = None) -> Prediction:
        """Return the most probable classes. May raise anything.

        `now` is the Unix time that a transaction without a time is taken to have; without it, confidence is not
        discounted by the run's age.
        """

    def inputs(self, transaction: Transaction) -> Inputs:
        """Return what is counted of a transaction, beside the prediction. May raise anything."""

    def words(self, transaction: Transaction, label: str) -> tuple[str, ...]:
        """Return the words that are most important for a class, strongest first. May raise anything."""


class Failure(StrEnum):
    """Why a prediction failed."""

    RAISED = "raised an exception"
    NOT_A_NUMBER = "returned NaN"
    TOO_SLOW = "took too long"


class NotRequested(msgspec.Struct, frozen=True):
    """No prediction was needed."""


class Unavailable(msgspec.Struct, frozen=True):
    """The run was not used: it is not loaded here, or its circuit breaker is open."""


class Failed(msgspec.Struct, frozen=True):
    """The run was used, and the prediction must be discarded."""

    failure: Failure
    seconds: float
    late: Prediction | None = None
    """The prediction, if it was only too late."""


class Predicted(msgspec.Struct, frozen=True):
    """The run returned a valid prediction in time."""

    prediction: Prediction
    seconds: float


PredictionResult = NotRequested | Unavailable | Failed | Predicted


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded run with its circuit breaker."""

    predictor: Predictor
    breaker: Breaker = field(default_factory=Breaker)


def predict_guarded(
    loaded: Loaded | None, transaction: Transaction, *, calibrated: bool, clock: Clock
) -> Unavailable | Failed | Predicted:
    """Return the result of one prediction. Never raises because of the run."""
    began = clock.monotonic()
    if loaded is None or loaded.breaker.is_open(began):
        return Unavailable()
    prediction: Prediction | None
    try:
        prediction = loaded.predictor.predict(transaction, calibrated=calibrated, now=clock.now())
    except Exception as error:  # noqa: BLE001 - the model never fails a request, whatever it raises
        prediction, cause = None, f" ({location_of(error)})"
    else:
        cause = ""
    ended = clock.monotonic()
    result = _checked(prediction, seconds=ended - began)
    match result:
        case Predicted():
            loaded.breaker.succeeded()
        case Failed(failure=failure):
            if loaded.breaker.failed(ended):
                _log.warning(
                    "run %s is not used for a while: its prediction %s%s", loaded.predictor.run, failure.value, cause
                )
    return result


def count_inputs(loaded: Loaded | None, counts: InputCounts, transaction: Transaction, prediction: Prediction) -> None:
    """Count a transaction that a run has predicted. Never raises."""
    if loaded is None:
        return
    try:
        inputs = loaded.predictor.inputs(transaction)
    except Exception:  # noqa: BLE001 - a suggestion that is not counted is still valid
        return
    counts.add(inputs, label=prediction.first.label)


def explain(loaded: Loaded | None, transaction: Transaction, *, label: str) -> tuple[str, ...]:
    """Return the words that were most important for `label`, none if that is not known. Never raises."""
    if loaded is None:
        return ()
    try:
        return loaded.predictor.words(transaction, label)
    except Exception:  # noqa: BLE001 - a suggestion without reasons is still valid
        return ()


def _checked(prediction: Prediction | None, *, seconds: float) -> Failed | Predicted:
    if prediction is None:
        return Failed(Failure.RAISED, seconds)
    if not math.isfinite(prediction.first.confidence):
        return Failed(Failure.NOT_A_NUMBER, seconds)
    if seconds > MAX_SECONDS:
        return Failed(Failure.TOO_SLOW, seconds, late=prediction)
    return Predicted(prediction, seconds)
