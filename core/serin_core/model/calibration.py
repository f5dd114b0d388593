"""Isotonic calibration: from a raw probability to the share of such predictions that are correct. Applies tables only.

Training fits a non-decreasing table for each class on the rows that the trees predict as this class. A table is linear
between two points and constant beyond its ends, as IsotonicRegression(out_of_bounds="clip") of scikit-learn.

The prediction is the class of the largest raw probability, with or without calibration. Its confidence is the value of
that class's table at this probability (top-label calibration: Gupta and Ramdas, ICLR 2022), which is what thresholds
per class need. The other classes keep their raw probability, at most the confidence of the first. Nothing is
normalised: the confidences of a row need not sum to 1. The confidence is discounted by the age of the run (`aging`),
and then corrected by labels from service, if there were any (`correction`).
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any, Self

from serin_core.model.aging import NO_AGING, Aging
from serin_core.model.correction import Correction


class CalibrationError(ValueError):
    """An invalid calibration table. The message is one line."""


@dataclass(frozen=True, slots=True)
class Table:
    """The table of one class: strictly increasing raw probabilities, and the share correct at each of them."""

    raw: Sequence[float]
    right: Sequence[float]

    def __post_init__(self) -> None:
        if not self.raw or len(self.raw) != len(self.right):
            raise CalibrationError("a calibration table needs as many values as points, at least one")
        if any(a >= b for a, b in zip(self.raw, self.raw[1:], strict=False)):
            raise CalibrationError("the points of a calibration table must be strictly increasing")
        if any(a > b for a, b in zip(self.right, self.right[1:], strict=False)):
            raise CalibrationError("the values of a calibration table must not decrease")

    def apply(self, probability: float) -> float:
        """Return the calibrated probability; NaN stays NaN."""
        place = bisect_right(self.raw, probability)
        if place == 0:
            return self.right[0] if probability < self.raw[0] else probability
        if place == len(self.raw):
            return self.right[-1]
        left, right = self.raw[place - 1], self.raw[place]
        low, high = self.right[place - 1], self.right[place]
        return low + (high - low) * (probability - left) / (right - left)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Tables by class; a class without one keeps its raw probability."""

    tables: Mapping[str, Table]
    aging: Aging = NO_AGING
    correction: Correction | None = None

    def confidence(self, label: str, probability: float, *, at: float | None = None) -> float:
        """Return the calibrated confidence of a prediction for a transaction at a Unix time.

        Without a time, it is that of a run that has just been trained.
        """
        table = self.tables.get(label)
        fresh = probability if table is None else table.apply(probability)
        if at is None:
            return fresh
        discounted = self.aging.discounted(fresh, at)
        return discounted if self.correction is None else self.correction.corrected(discounted, probability)

    def rank(
        self, classes: Sequence[str], raw: Sequence[float], *, at: float | None = None, limit: int | None = None
    ) -> list[tuple[str, float]]:
        """Return classes with their confidence, best first: all, or the first `limit`; `at` as in `confidence`.

        `raw` has one probability for each of `classes`, of which there is at least one. Equal probabilities keep the
        order of `classes`. A NaN comes first, so that such a row reaches no threshold.
        """
        if isnan(sum(raw)):
            order = sorted(range(len(classes)), key=lambda place: (not isnan(raw[place]), -raw[place]))
        else:
            order = sorted(range(len(classes)), key=raw.__getitem__, reverse=True)
        first, *others = order[:limit]
        best = self.confidence(classes[first], raw[first], at=at)
        return [(classes[first], best), *((classes[place], min(raw[place], best)) for place in others)]

    def to_json(self) -> dict[str, Any]:
        """Return the tables as plain JSON values."""
        return {label: {"raw": list(table.raw), "right": list(table.right)} for label, table in self.tables.items()}

    @classmethod
    def from_json(cls, found: Any, aging: Aging = NO_AGING, correction: Correction | None = None) -> Self:
        """Parse the values of to_json. Raises CalibrationError."""
        if not isinstance(found, Mapping):
            raise CalibrationError("calibration: expected a table for each class")
        return cls({str(label): _table(str(label), table) for label, table in found.items()}, aging, correction)


IDENTITY = Calibration({})
"""No calibration: confidence is the raw probability."""


def _table(label: str, found: Any) -> Table:
    try:
        raw, right = ([float(value) for value in found[name]] for name in ("raw", "right"))
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise CalibrationError(f"calibration of {label!r}: missing or malformed {error}") from None
    if not all(map(isfinite, (*raw, *right))):
        raise CalibrationError(f"calibration of {label!r}: every number must be finite")
    return Table(raw=raw, right=right)
