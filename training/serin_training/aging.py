"""How fast a run's confidence becomes wrong, estimated from models of different ages on the same rows.

Training makes models of older and older rows anyway (`linear.score_by_older_rows`). Each is calibrated as a run is, on
the rows between it and the next model, and this next model then plays the run that was fitted again: on rows that are
newer and newer than itself, it shows how its confidence should have fallen. The rate is the one of highest likelihood,
shrunk towards DEFAULT_RATE, the more so the shorter the time that the rows span.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize_scalar

from serin_core.model.aging import CERTAIN, YEAR
from serin_training.arrays import Floats, Ints
from serin_training.calibration import fit_tables

DEFAULT_RATE: Final = 0.6
"""Rate of a run whose rows span too little time: that of seven years of card payments of a city (docs/training.md)."""
_PRIOR_YEARS: Final = 2.0
"""Age of a model up to which DEFAULT_RATE counts for more than what was estimated."""
_MIN_PREDICTIONS: Final = 1000
_MAX_RATE: Final = 3.0
_DAYS: Final = YEAR / 86_400
"""Of a year."""


@dataclass(frozen=True, slots=True)
class OlderModel:
    """The predictions of a linear model for the rows after those it was fitted on, oldest first."""

    known_to: float
    """Time of its newest row, in days since any fixed moment."""
    days: Floats
    """Times of the rows, in days since the same moment."""
    predicted: Ints
    """Class number by row."""
    confidence: Floats
    """Raw probability of that class by row."""
    right: Floats
    """1 where the prediction is correct, else 0."""


def fit_rate(models: Sequence[OlderModel], *, classes: int) -> float:
    """Return the rate of `serin_core.model.aging.Aging` from models, oldest first."""
    found = [_confidence(before, model, classes) for before, model in pairwise(models)]
    if not found:
        return DEFAULT_RATE
    years, logits, right = (np.concatenate(part) for part in zip(*found, strict=True))
    if len(years) < _MIN_PREDICTIONS:
        return DEFAULT_RATE

    def loss(rate: float) -> float:
        """Return the mean negative log-likelihood."""
        scaled = logits / (1 + rate * np.log1p(years))
        return float(np.mean(np.logaddexp(0.0, scaled) - right * scaled))

    fitted: Any = minimize_scalar(loss, bounds=(0.0, _MAX_RATE), method="bounded")
    weight = years.max() / (years.max() + _PRIOR_YEARS)
    return float(weight * fitted.x + (1 - weight) * DEFAULT_RATE)


def _confidence(before: OlderModel, model: OlderModel, classes: int) -> tuple[Floats, Floats, Floats]:
    """Return the ages in years, logits of the confidence and correctness of a model's predictions that age lowers."""
    shown = before.days <= model.known_to
    tables = fit_tables(before.predicted[shown], before.confidence[shown], before.right[shown], classes)
    fresh = np.zeros(len(model.days))
    for number in np.unique(model.predicted).tolist():
        of_class = model.predicted == number
        table, raw = tables.get(number), model.confidence[of_class]
        fresh[of_class] = raw if table is None else table.predict(raw)
    years = (model.days - model.known_to) / _DAYS
    chosen = (years > 0) & (fresh > 0.5)  # noqa: PLR2004 - lower ones are not discounted
    share = np.minimum(fresh[chosen], CERTAIN)
    return years[chosen], np.log(share / (1 - share)), model.right[chosen]
