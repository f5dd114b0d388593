"""Fitting the isotonic tables, on rows that neither the trees nor the gate see. Applying them is serin_core's.

A class's table is fitted on the rows that were answered with it: raw probability against whether the answer was right.
A class with fewer than MIN_ROWS answers takes the table of all classes together; where even these are fewer, it keeps
its raw probability.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.isotonic import IsotonicRegression

from serin_core.model.calibration import Calibration, Table
from serin_training.features.words import Floats, Ints

MIN_ROWS: Final = 100


@dataclass(frozen=True, slots=True)
class FittedCalibration:
    """scikit-learn's fitted regressions by class, and the classes that have too few answers for one of their own."""

    regressions: Mapping[str, IsotonicRegression]
    few: Mapping[str, int]
    """By class, how many answers there were."""
    is_shared: bool
    """Whether these classes take the table of all classes; else they keep their raw probability."""

    @property
    def calibration(self) -> Calibration:
        """Answer the same regressions as tables."""
        return Calibration(
            {
                label: Table(raw=fitted.X_thresholds_.tolist(), right=fitted.y_thresholds_.tolist())
                for label, fitted in self.regressions.items()
            }
        )


UNCALIBRATED: Final = FittedCalibration({}, {}, is_shared=False)


def fit_calibration(raw: Floats, labels: Ints, classes: tuple[str, ...]) -> FittedCalibration:
    """Fit one regression a class, from raw probabilities (rows by classes) and the right classes (-1: another one)."""
    answered, at = raw.argmax(axis=1), raw.max(axis=1)
    right = (answered == labels).astype(np.float64)
    shared = _fit(at, right) if len(at) >= MIN_ROWS else None
    regressions, few = {}, {}
    for place, label in enumerate(classes):
        mine = answered == place
        if mine.sum() >= MIN_ROWS:
            regressions[label] = _fit(at[mine], right[mine])
            continue
        few[label] = int(mine.sum())
        if shared is not None:
            regressions[label] = shared
    return FittedCalibration(regressions=regressions, few=few, is_shared=shared is not None)


def _fit(raw: Floats, right: Floats) -> IsotonicRegression:
    return IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(raw, right)
