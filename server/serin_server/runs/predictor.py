"""What the rest of the server knows of a loaded run: that it can be asked, and what came of asking.

Never lets anything out of a prediction but an outcome: whatever a run does wrong is a value here. What is made anew for
every transaction is a msgspec.Struct: frozen and slotted like the dataclasses elsewhere, at a quarter of their cost.
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
from serin_server.clock import Clock
from serin_server.logs import place_of
from serin_server.runs.circuit_breaker import Breaker

LONGEST: Final = 0.1
"""Seconds; an answer that took longer is discarded."""

_log = logging.getLogger(__name__)


class Ranked(msgspec.Struct, frozen=True):
    """One class with its confidence, 0 to 1."""

    label: str
    confidence: float


class Prediction(msgspec.Struct, frozen=True):
    """The most probable classes of one transaction, best first, never empty."""

    ranked: tuple[Ranked, ...]

    @property
    def first(self) -> Ranked:
        """Answer the most probable class."""
        return self.ranked[0]


class Predictor(Protocol):
    """A run that was loaded and checked."""

    @property
    def run(self) -> str:
        """Answer the run's name."""

    @property
    def digest(self) -> str:
        """Answer the sha256 of its manifest, `sha256:<hex>`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Answer every label it can give."""

    @property
    def quality(self) -> RunQuality:
        """Answer what its report promises over all classes."""

    @property
    def f1(self) -> Mapping[str, float]:
        """Answer what its report promises by class."""

    def predict(self, transaction: Transaction, *, calibrated: bool) -> Prediction:
        """Answer the most probable classes. May raise anything."""

    def words(self, transaction: Transaction, label: str) -> tuple[str, ...]:
        """Answer the words of a transaction that speak most for a class, strongest first. May raise anything."""


class Failure(StrEnum):
    """What went wrong with one prediction."""

    RAISED = "raised"
    NOT_A_NUMBER = "gave no number"
    TOO_SLOW = "took too long"


class NotAsked(msgspec.Struct, frozen=True):
    """Nobody would have looked at the answer."""


class Unavailable(msgspec.Struct, frozen=True):
    """The run was not asked: it is not loaded here, or its breaker is open."""


class Failed(msgspec.Struct, frozen=True):
    """The run was asked and gave nothing that may be used."""

    failure: Failure
    seconds: float
    late: Prediction | None = None
    """What came too late to be used."""


class Predicted(msgspec.Struct, frozen=True):
    """The run answered in time."""

    prediction: Prediction
    seconds: float


Attempt = NotAsked | Unavailable | Failed | Predicted


@dataclass(frozen=True, slots=True)
class Loaded:
    """A run in use, behind its breaker."""

    predictor: Predictor
    breaker: Breaker = field(default_factory=Breaker)


def attempt(
    loaded: Loaded | None, transaction: Transaction, *, calibrated: bool, clock: Clock
) -> Unavailable | Failed | Predicted:
    """Ask a run about one transaction. Never raises because of the run."""
    began = clock.monotonic()
    if loaded is None or loaded.breaker.is_open(began):
        return Unavailable()
    prediction: Prediction | None
    try:
        prediction = loaded.predictor.predict(transaction, calibrated=calibrated)
    except Exception as error:  # noqa: BLE001 - the model never fails a request, whatever it raises
        prediction, cause = None, f" ({place_of(error)})"
    else:
        cause = ""
    ended = clock.monotonic()
    outcome = _judge(prediction, seconds=ended - began)
    match outcome:
        case Predicted():
            loaded.breaker.succeeded()
        case Failed(failure=failure):
            if loaded.breaker.failed(ended):
                _log.warning(
                    "run %s is not asked for a while: its prediction %s%s", loaded.predictor.run, failure.value, cause
                )
    return outcome


def explain(loaded: Loaded | None, transaction: Transaction, *, label: str) -> tuple[str, ...]:
    """Answer the words because of which a run answered `label`; none where it cannot say. Never raises."""
    if loaded is None:
        return ()
    try:
        return loaded.predictor.words(transaction, label)
    except Exception:  # noqa: BLE001 - an answer stands without its reasons
        return ()


def _judge(prediction: Prediction | None, *, seconds: float) -> Failed | Predicted:
    if prediction is None:
        return Failed(Failure.RAISED, seconds)
    if not math.isfinite(prediction.first.confidence):
        return Failed(Failure.NOT_A_NUMBER, seconds)
    if seconds > LONGEST:
        return Failed(Failure.TOO_SLOW, seconds, late=prediction)
    return Predicted(prediction, seconds)
