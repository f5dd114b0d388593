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

    @property
    def calibration(self) -> Calibration:
        """The same regressions as tables."""
        return Calibration(
            {
                label: Table(raw=fitted.X_thresholds_.tolist(), right=fitted.y_thresholds_.tolist())
                for label, fitted in self.regressions.items()
            }
        )


UNCALIBRATED: Final = FittedCalibration({}, {}, has_global=False)


def fit_calibration(raw: Floats, labels: Ints, classes: tuple[str, ...]) -> FittedCalibration:
    """Fit one regression per class.

    `raw` holds raw probabilities of shape (rows, classes), `labels` the column of each true class (-1: none of them).
    """
    predicted, confidence = raw.argmax(axis=1), raw.max(axis=1)
    right = (predicted == labels).astype(np.float64)
    shared = _fit(confidence, right) if len(confidence) >= MIN_ROWS else None
    regressions, too_few = {}, {}
    for column, label in enumerate(classes):
        of_class = predicted == column
        if of_class.sum() >= MIN_ROWS:
            regressions[label] = _fit(confidence[of_class], right[of_class])
            continue
        too_few[label] = int(of_class.sum())
        if shared is not None:
            regressions[label] = shared
    return FittedCalibration(regressions, too_few, has_global=shared is not None)


def _fit(raw: Floats, right: Floats) -> IsotonicRegression:
    return IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(raw, right)
