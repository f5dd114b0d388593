"""Fitting the isotonic tables, on rows that neither the trees nor the gate see. Applying them is serin_core's.

A class's table is fitted on the rows that were answered with it: raw probability against whether the answer was right.
Never fits a table on fewer than MIN_ROWS answers: a class with fewer keeps its raw probability.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.isotonic import IsotonicRegression

from serin_core.calibration import Calibration, Table
from serin_training.words import Floats, Ints

MIN_ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class Fitted:
    """scikit-learn's fitted regressions by class, and the classes that have too few answers for one."""

    regressions: Mapping[str, IsotonicRegression]
    uncalibrated: Mapping[str, int]
    """By class, how many answers there were."""

    @property
    def calibration(self) -> Calibration:
        """Answer the same regressions as tables."""
        return Calibration(
            {
                label: Table(raw=fitted.X_thresholds_.tolist(), right=fitted.y_thresholds_.tolist())
                for label, fitted in self.regressions.items()
            }
        )


def fit_calibration(raw: Floats, labels: Ints, classes: tuple[str, ...]) -> Fitted:
    """Fit one regression a class, from raw probabilities (rows by classes) and the right classes (-1: another one)."""
    answered, at = raw.argmax(axis=1), raw.max(axis=1)
    regressions, uncalibrated = {}, {}
    for place, label in enumerate(classes):
        mine = answered == place
        if mine.sum() < MIN_ROWS:
            uncalibrated[label] = int(mine.sum())
            continue
        regression = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        regressions[label] = regression.fit(at[mine], (labels[mine] == place).astype(np.float64))
    return Fitted(regressions=regressions, uncalibrated=uncalibrated)
