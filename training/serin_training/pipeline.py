"""A run as one object, from transactions to answers: what judges, what parity rows are made with, what joblib keeps.

Serving does not use this class: it reads the run's plain files, and must give the same answers. Never fits anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serin_core.model.calibration import Calibration
from serin_core.model.encoder import Encoder, probabilities
from serin_core.model.features import NUMBERS, Transaction
from serin_training.features.words import Floats
from serin_training.trees import Trees


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Encoder, trees and calibration of one run."""

    encoder: Encoder
    trees: Trees
    calibration: Calibration

    @property
    def classes(self) -> tuple[str, ...]:
        """Answer the classes, in the order of the columns of predict_proba."""
        return self.encoder.classes

    def predict_proba(self, transactions: Sequence[Transaction]) -> Floats:
        """Answer raw probabilities, one row a transaction and one column a class."""
        scores = np.array([self.encoder.scores(one) for one in transactions])
        numbers = np.array([self.encoder.numbers(one) for one in transactions])
        corrections = self.trees.corrections(numbers.reshape(-1, len(NUMBERS)))
        return probabilities(scores.reshape(-1, len(self.classes)), corrections)

    def answers(self, raw: Floats) -> list[tuple[str, float]]:
        """Answer label and calibrated confidence of each row of raw probabilities."""
        return [self.calibration.rank(self.classes, row)[0] for row in raw.tolist()]

    def predict(self, transactions: Sequence[Transaction]) -> list[tuple[str, float]]:
        """Answer label and calibrated confidence of each transaction."""
        return self.answers(self.predict_proba(transactions))
