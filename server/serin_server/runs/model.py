"""The prediction of a run in memory: scores of the words, corrections of the trees, calibration, best three classes.

What many transactions share is cached, with a maximum size: the scores of a merchant and of a merchant with its
description, the results of the trees, the most important words. Cached values are the same as computed ones, bit for
bit. Not re-entrant, because of the trees: one thread at a time.
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from math import exp
from typing import Final

import numpy as np

from serin_core.contract.pod_report import RunQuality
from serin_core.model.calibration import IDENTITY, Calibration
from serin_core.model.encoder import Encoder, Floats, probabilities, starting_point
from serin_core.model.features import Transaction
from serin_core.model.inputs import InputBins, Inputs
from serin_core.model.report import Recalibration
from serin_core.model.values import unix_time
from serin_server.runs.cache_size import entries
from serin_server.runs.lightgbm_predictor import FastTrees
from serin_server.runs.predictor import Prediction, Ranked

CACHE_SIZE: Final = 8192
"""Merchants whose scores are cached: with 12 classes about 5 MB."""
CACHED_TEXTS: Final = 4096
"""Pairs of merchant and description whose scores and most important words are cached."""
MAX_CACHED_CHARACTERS: Final = 256
"""Longer descriptions are not cached: they rarely repeat, and would need too much memory."""
CANDIDATES: Final = 3
"""Classes in a prediction."""
_TINY: Final = 1e-200


Shares = Sequence[float]
"""Logistic function of the score of each class, packed because many are cached."""


class _Computed:
    """The encoder's results for texts that are not cached."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._merchant_scores = lru_cache(entries(CACHE_SIZE, classes=len(encoder.classes)))(encoder.merchant_scores)

    def scores(self, merchant: str, description: str) -> Floats:
        return self._encoder.add_description(self._merchant_scores(merchant), description)

    def merchant(self, merchant: str) -> Shares:
        return shares_of(self._merchant_scores(merchant))

    def described(self, merchant: str, description: str) -> Shares:
        return shares_of(self.scores(merchant, description))

    def words(self, merchant: str, description: str, label: str) -> tuple[str, ...]:
        return tuple(self._encoder.strongest_words(Transaction("", merchant, description), label))


def shares_of(scores: Floats) -> Shares:
    """Return the logistic function of each score."""
    return array("d", np.exp(starting_point(scores)).tobytes())


class Texts:
    """The results of a run's encoder for texts, from the cache where possible."""

    def __init__(self, encoder: Encoder) -> None:
        # A separate object, so that there is no reference cycle: the memory of a replaced run is freed at once.
        self._computed = _Computed(encoder)
        classes = len(encoder.classes)
        self._merchant = lru_cache(entries(CACHE_SIZE, classes=classes))(self._computed.merchant)
        self._described = lru_cache(entries(CACHED_TEXTS, classes=classes))(self._computed.described)
        self.is_known = lru_cache(CACHE_SIZE)(encoder.knows_merchant)
        self._words = lru_cache(CACHED_TEXTS)(self._computed.words)

    def scores(self, merchant: str, description: str) -> Floats:
        """Return the score of each class."""
        return self._computed.scores(merchant, description)

    def shares(self, merchant: str, description: str) -> Shares:
        """Return the logistic function of each score."""
        if not description:
            return self._merchant(merchant)
        described = self._described if len(description) <= MAX_CACHED_CHARACTERS else self._computed.described
        return described(merchant, description)

    def words(self, merchant: str, description: str, label: str) -> tuple[str, ...]:
        """Return the most important words for a class, strongest first."""
        words = self._words if len(description) <= MAX_CACHED_CHARACTERS else self._computed.words
        return words(merchant, description, label)


def raw_probabilities(
    shares: Sequence[float], corrections: Sequence[float], scores: Callable[[], Floats]
) -> list[float]:
    """Return the same as encoder.probabilities, up to rounding: exp(log p + c) is p * exp(c).

    Outside the range of floating point, or with NaN, that function itself is used.
    """
    highest = max(corrections)
    powers = [share * exp(correction - highest) for share, correction in zip(shares, corrections, strict=True)]
    total = sum(powers)
    if not total > _TINY:
        return list(probabilities(scores(), np.array(corrections)).tolist())
    return [power / total for power in powers]


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class TreesPredictor:
    """A loaded run. Implements predictor.Predictor."""

    run: str
    digest: str
    classes: tuple[str, ...]
    quality: RunQuality
    f1: Mapping[str, float]
    _encoder: Encoder = field(repr=False)
    _texts: Texts = field(repr=False)
    _trees: FastTrees = field(repr=False)
    _calibration: Calibration = field(repr=False)
    recalibration: Recalibration | None = None
    input_bins: InputBins | None = None

    def predict(self, transaction: Transaction, *, calibrated: bool, now: float | None = None) -> Prediction:
        """Return the most probable classes, best first."""
        calibration = self._calibration if calibrated else IDENTITY
        texts = transaction.merchant, transaction.description
        shares = self._texts.shares(*texts)
        corrections = self._trees.corrections(self._encoder.numbers(transaction))
        raw = raw_probabilities(shares, corrections, partial(self._texts.scores, *texts))
        at = now if transaction.timestamp is None else unix_time(transaction.timestamp)
        ranked = calibration.rank(self.classes, raw, at=at, limit=CANDIDATES)
        return Prediction(tuple(Ranked(label, confidence) for label, confidence in ranked))

    def inputs(self, transaction: Transaction) -> Inputs:
        """Return what is counted of a transaction, beside the prediction."""
        is_known = self._texts.is_known(transaction.merchant)
        return Inputs(self._encoder.numbers(transaction), is_new_merchant=not is_known)

    def words(self, transaction: Transaction, label: str) -> tuple[str, ...]:
        """Return the words of a transaction that are most important for a class, strongest first."""
        return self._texts.words(transaction.merchant, transaction.description, label)

    def corrections(self, numbers: Sequence[float]) -> Sequence[float]:
        """Return the corrections of the trees, in the order of `classes`."""
        return self._trees.corrections(numbers)
