"""A run in memory, asked about one transaction: words to scores, numbers through the trees, calibration, best three.

Whatever many transactions share is remembered, within bounds: the scores of a merchant and of a merchant with its
description, the answers of the trees, the words behind an answer. What is remembered is what would be computed anew,
bit for bit. Not re-entrant, because of the trees: one thread at a time.
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
from serin_server.runs.lightgbm_predictor import FastTrees
from serin_server.runs.predictor import Prediction, Ranked

REMEMBERED: Final = 8192
"""So many merchants' scores are kept: at 12 classes about 5 MB once it is full."""
REMEMBERED_TEXTS: Final = 4096
"""So many pairs of merchant and description are kept with their scores, and with the words behind an answer."""
LONGEST_REMEMBERED: Final = 256
"""Characters of a description; longer ones hardly come again, and would make the bound on memory a loose one."""
CANDIDATES: Final = 3
"""How many classes an answer names."""
_TINY: Final = 1e-200


Shares = Sequence[float]
"""The logistic function of each score that the words of a transaction give. Packed: many are remembered."""


class _Fresh:
    """What the encoder makes of texts that are not remembered."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._merchant_scores = lru_cache(REMEMBERED)(encoder.merchant_scores)

    def scores(self, merchant: str, description: str) -> Floats:
        return self._encoder.add_description(self._merchant_scores(merchant), description)

    def merchant(self, merchant: str) -> Shares:
        return shares_of(self._merchant_scores(merchant))

    def described(self, merchant: str, description: str) -> Shares:
        return shares_of(self.scores(merchant, description))

    def words(self, merchant: str, description: str, label: str) -> tuple[str, ...]:
        return tuple(self._encoder.strongest_words(Transaction("", merchant, description), label))


def shares_of(scores: Floats) -> Shares:
    """Answer the logistic function of each score."""
    return array("d", np.exp(starting_point(scores)).tobytes())


class Texts:
    """What a run's encoder makes of texts, from memory where it can."""

    def __init__(self, encoder: Encoder) -> None:
        # Of an object of its own, so that nothing here refers to itself: a run that was replaced is gone at once.
        self._fresh = _Fresh(encoder)
        self._merchant = lru_cache(REMEMBERED)(self._fresh.merchant)
        self._described = lru_cache(REMEMBERED_TEXTS)(self._fresh.described)
        self._words = lru_cache(REMEMBERED_TEXTS)(self._fresh.words)

    def scores(self, merchant: str, description: str) -> Floats:
        """Answer the score of each class by merchant and description."""
        return self._fresh.scores(merchant, description)

    def shares(self, merchant: str, description: str) -> Shares:
        """Answer the logistic function of these scores."""
        if not description:
            return self._merchant(merchant)
        described = self._described if len(description) <= LONGEST_REMEMBERED else self._fresh.described
        return described(merchant, description)

    def words(self, merchant: str, description: str, label: str) -> tuple[str, ...]:
        """Answer the words that speak most for a class, strongest first."""
        words = self._words if len(description) <= LONGEST_REMEMBERED else self._fresh.words
        return words(merchant, description, label)


def raw_probabilities(
    shares: Sequence[float], corrections: Sequence[float], scores: Callable[[], Floats]
) -> list[float]:
    """Answer what encoder.probabilities answers, but for the last digits: exp(log p + c) is p * exp(c).

    Where that would leave the range of floating point, or anything is no number, that function itself is asked.
    """
    most = max(corrections)
    powers = [share * exp(correction - most) for share, correction in zip(shares, corrections, strict=True)]
    total = sum(powers)
    if not total > _TINY:
        return list(probabilities(scores(), np.array(corrections)).tolist())
    return [power / total for power in powers]


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class TreesPredictor:
    """A run in memory. Implements predictor.Predictor."""

    run: str
    digest: str
    classes: tuple[str, ...]
    quality: RunQuality
    f1: Mapping[str, float]
    _encoder: Encoder = field(repr=False)
    _texts: Texts = field(repr=False)
    _trees: FastTrees = field(repr=False)
    _calibration: Calibration = field(repr=False)

    def predict(self, transaction: Transaction, *, calibrated: bool) -> Prediction:
        """Answer the most probable classes, best first."""
        calibration = self._calibration if calibrated else IDENTITY
        texts = transaction.merchant, transaction.description
        shares = self._texts.shares(*texts)
        corrections = self._trees.corrections(self._encoder.numbers(transaction))
        raw = raw_probabilities(shares, corrections, partial(self._texts.scores, *texts))
        ranked = calibration.rank(self.classes, raw, limit=CANDIDATES)
        return Prediction(tuple(Ranked(label, confidence) for label, confidence in ranked))

    def words(self, transaction: Transaction, label: str) -> tuple[str, ...]:
        """Answer the words of a transaction that speak most for a class, strongest first."""
        return self._texts.words(transaction.merchant, transaction.description, label)

    def corrections(self, numbers: Sequence[float]) -> Sequence[float]:
        """Answer what the trees add to the starting point, in the order of `classes`."""
        return self._trees.corrections(numbers)
