"""Confidence discounted by a run's age: what a run has learned becomes wrong with time, and its calibration with it.

Shops close, open and change what they sell. So the older a run, the more often its confident predictions are wrong,
while its calibration still has the shares of the day it was fitted. The logit of a confidence is divided by
1 + rate * log(1 + age in years): a temperature (Guo et al., ICML 2017) that grows with age. Training estimates the rate
from models of different ages (`serin_training.aging`).
"""

from dataclasses import dataclass
from math import exp, log, log1p
from typing import Final

CERTAIN: Final = 0.999
"""The highest calibrated confidence: no number of rows makes a share of correct predictions certain."""
YEAR: Final = 365.25 * 86_400
"""In seconds."""
_EVEN: Final = 0.5


@dataclass(frozen=True, slots=True)
class Aging:
    """How fast the confidence of a run falls, and since when."""

    rate: float
    """0 for none; a finite number otherwise."""
    known_to: float
    """Unix time of the newest row that the run has learned from."""

    def discounted(self, confidence: float, at: float) -> float:
        """Return the confidence of a prediction for a transaction at this Unix time.

        It is never raised: one of at most 0.5 stays, and so does NaN. Before `known_to` nothing is discounted.
        """
        years = (at - self.known_to) / YEAR
        if not (self.rate > 0 and years > 0 and confidence > _EVEN):
            return confidence
        share = min(confidence, CERTAIN)
        return 1 / (1 + exp(-log(share / (1 - share)) / (1 + self.rate * log1p(years))))


NO_AGING: Final = Aging(rate=0.0, known_to=0.0)
"""No discount."""
