"""Confidence corrected by labels from service: what a run's age and its calibration rows cannot show.

Two estimates of the same probability are mixed as logits: the calibrated confidence, discounted by age (`aging`), and
the raw probability of the model, which does not have the steps of isotonic regression. A logistic recalibration (Cox,
Biometrika 1958) with one slope on each side of even odds follows: the discount by age has its bend there. Training
estimates the four numbers (`serin_training.recalibration`), and whatever it was told, confidence moves by at most
MAX_CHANGE.
"""

from dataclasses import dataclass
from math import exp, isnan, log
from typing import Final

from serin_core.model.aging import CERTAIN

LEAST: Final = 0.05
"""Lower shares count as this one: isotonic regression says 0 where none of some dozen rows was correct."""
MAX_CHANGE: Final = 1.5
"""How far a correction moves a logit at most: 0.95 to between 0.81 and 0.99, 0.7 to between 0.34 and 0.91."""
MAX_SHIFT: Final = 1.0
MIN_SLOPE: Final = 0.5
MAX_SLOPE: Final = 2.0


def logit(share: float) -> float:
    """Return log(p / (1 - p)) of a share that is brought between LEAST and CERTAIN first."""
    p = min(max(share, LEAST), CERTAIN)
    return log(p / (1 - p))


@dataclass(frozen=True, slots=True)
class Correction:
    """Four numbers; 0, 1, 1 and 0 change nothing but what is below LEAST."""

    shift: float
    """Of the logit."""
    slope_above: float
    """Of logits above 0; positive."""
    slope_below: float
    """Of logits below 0; positive."""
    raw_weight: float
    """Weight of the raw probability in the mixture, 0 to 1; the rest is that of the discounted confidence."""

    def corrected(self, confidence: float, probability: float) -> float:
        """Return the corrected confidence, from the discounted one and the raw probability; NaN stays NaN.

        It does not decrease in either of them.
        """
        if isnan(confidence) or isnan(probability):
            return confidence + probability
        given = logit(confidence)
        mixed = (1 - self.raw_weight) * given + self.raw_weight * logit(probability)
        found = self.shift + mixed * (self.slope_above if mixed > 0 else self.slope_below)
        bounded = min(max(found, given - MAX_CHANGE), given + MAX_CHANGE)
        return min(1 / (1 + exp(-bounded)), CERTAIN)
