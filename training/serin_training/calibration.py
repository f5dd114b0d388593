"""Fitting isotonic calibrators, on rows that neither the trees nor the acceptance gate see.

A class's calibrator is fitted on the rows predicted as that class: raw probability against whether the prediction was
right. A class with fewer than MIN_ROWS predictions uses the global calibrator of all classes together; with fewer
predictions in total, it keeps its raw probability. `serin_core.model.calibration` applies the result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.isotonic import IsotonicRegression

from serin_core.model.aging import CERTAIN, NO_AGING, Aging
from serin_core.model.calibration import Calibration, Table
from serin_training.arrays import Floats, Ints

MIN_ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class FittedCalibration:
    """Fitted scikit-learn regressions by class, and the classes with too few predictions for their own."""

    regressions: Mapping[str, IsotonicRegression]
    too_few: Mapping[str, int]
    """Number of predictions of each class that has no calibrator of its own."""
    has_global: bool
    """Whether these classes use the global calibrator; otherwise they keep their raw probability."""

    aging: Aging = NO_AGING

    @property
    def calibration(self) -> Calibration:
        """The same regressions as tables."""
        return Calibration(
            {
                label: Table(raw=fitted.X_thresholds_.tolist(), right=fitted.y_thresholds_.tolist())
                for label, fitted in self.regressions.items()
            },
            self.aging,
        )


UNCALIBRATED: Final = FittedCalibration({}, {}, has_global=False)


def fit_calibration(raw: Floats, labels: Ints, classes: tuple[str, ...]) -> FittedCalibration:
    """Fit one regression per class.

    `raw` holds raw probabilities of shape (rows, classes), `labels` the column of each true class (-1: none of them).
    """
    predicted = raw.argmax(axis=1)
    tables = fit_tables(predicted, raw.max(axis=1), (predicted == labels).astype(np.float64), len(classes))
    rows = np.bincount(predicted, minlength=len(classes)).tolist()
    return FittedCalibration(
        regressions={classes[column]: table for column, table in tables.items()},
        too_few={label: count for label, count in zip(classes, rows, strict=True) if count < MIN_ROWS},
        has_global=len(raw) >= MIN_ROWS,
    )


def fit_tables(predicted: Ints, confidence: Floats, right: Floats, classes: int) -> dict[int, IsotonicRegression]:
    """Return a regression by class number: its own, the global one, or none.

    Takes class numbers, their raw probabilities, and 1 where the prediction is correct (else 0), all by row.
    """
    shared = _fit(confidence, right) if len(confidence) >= MIN_ROWS else None
    found = {}
    for number in range(classes):
        of_class = predicted == number
        table = _fit(confidence[of_class], right[of_class]) if of_class.sum() >= MIN_ROWS else shared
        if table is not None:
            found[number] = table
    return found


def _fit(raw: Floats, right: Floats) -> IsotonicRegression:
    return IsotonicRegression(y_min=0.0, y_max=CERTAIN, out_of_bounds="clip").fit(raw, right)
