"""A run as one object, from transactions to predictions. Evaluation and parity rows are made with it.

Servers do not use this class: they read the run's plain files and must compute the same. Nothing here fits a model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serin_core.model.calibration import Calibration
from serin_core.model.encoder import Encoder, probabilities
from serin_core.model.features import NUMBERS, Transaction
from serin_training.arrays import Floats
from serin_training.trees import Trees


@dataclass(frozen=True, slots=True)
class RunPipeline:
    """Encoder, trees and calibration of one run."""

    encoder: Encoder
    trees: Trees
    calibration: Calibration

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes, in the order of the columns of predict_proba."""
        return self.encoder.classes

    def predict_proba(self, transactions: Sequence[Transaction]) -> Floats:
        """Return raw (uncalibrated) probabilities of shape (transactions, classes)."""
        scores = np.array([self.encoder.scores(one) for one in transactions])
        numbers = np.array([self.encoder.numbers(one) for one in transactions])
        corrections = self.trees.corrections(numbers.reshape(-1, len(NUMBERS)))
        return probabilities(scores.reshape(-1, len(self.classes)), corrections)

    def predictions(self, raw: Floats) -> list[tuple[str, float]]:
        """Return the label and its calibrated confidence for each row of raw probabilities."""
        return [self.calibration.rank(self.classes, row, limit=1)[0] for row in raw.tolist()]
