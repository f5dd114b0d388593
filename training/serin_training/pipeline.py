"""A run as one object, from transactions to answers: what judges, what parity rows are made with, what joblib keeps.

Serving does not use this class: it reads the run's plain files, and must give the same answers. Never fits anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from serin_core.calibration import Calibration
from serin_core.features import Encoder, Transaction
from serin_training.dictionaries import Floats, vectors
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
        return self.trees.probabilities(vectors(self.encoder, transactions))

    def answers(self, raw: Floats) -> list[tuple[str, float]]:
        """Answer label and calibrated confidence of each row of raw probabilities."""
        return [self.calibration.rank(self.classes, row)[0] for row in raw.tolist()]

    def predict(self, transactions: Sequence[Transaction]) -> list[tuple[str, float]]:
        """Answer label and calibrated confidence of each transaction."""
        return self.answers(self.predict_proba(transactions))
