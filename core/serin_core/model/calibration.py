"""Isotonic calibration, applied: from a raw probability to how often such an answer is right.

Per class, a non-decreasing table fitted by training on the rows that the trees answered with this class; between two
points it is linear, beyond the ends it is flat, as scikit-learn's IsotonicRegression(out_of_bounds="clip") has it.

An answer is the class of the largest raw probability, with or without calibration; its confidence is that class's own
table at that probability: "of such answers, so many were right" (top-label calibration: Gupta and Ramdas, ICLR 2022),
which is what a threshold by class means. Classes after the first keep their raw probability, at most the confidence of
the first. Nothing is normalised: the confidences of one row need not add up to 1. Never fits anything.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any, Self


class CalibrationError(ValueError):
    """A calibration table that does not fit. The message is one line."""


@dataclass(frozen=True, slots=True)
class Table:
    """One class: raw probabilities, strictly increasing, and how often an answer at each of them was right."""

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
        """Answer the calibrated probability; NaN stays NaN."""
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
    """A table a class; a class without one keeps its raw probability."""

    tables: Mapping[str, Table]

    def confidence(self, label: str, probability: float) -> float:
        """Answer the calibrated confidence of an answer."""
        table = self.tables.get(label)
        return probability if table is None else table.apply(probability)

    def rank(self, classes: Sequence[str], raw: Sequence[float], *, most: int | None = None) -> list[tuple[str, float]]:
        """Answer classes with their confidence, best first, from raw probabilities in the order of `classes`.

        All of them, or the best `most`.

        Of equally probable classes the first one in `classes` leads. A NaN leads all, so that nobody takes such a row
        for an answer. There must be at least one class.
        """
        if isnan(sum(raw)):
            order = sorted(range(len(classes)), key=lambda place: (not isnan(raw[place]), -raw[place]))
        else:
            order = sorted(range(len(classes)), key=raw.__getitem__, reverse=True)
        first, *others = order[:most]
        best = self.confidence(classes[first], raw[first])
        return [(classes[first], best), *((classes[place], min(raw[place], best)) for place in others)]

    def to_json(self) -> dict[str, Any]:
        """Answer plain JSON values."""
        return {label: {"raw": list(table.raw), "right": list(table.right)} for label, table in self.tables.items()}

    @classmethod
    def from_json(cls, found: Any) -> Self:
        """Read what to_json wrote. Raises CalibrationError."""
        if not isinstance(found, Mapping):
            raise CalibrationError("calibration: expected one table a class")
        return cls({str(label): _table(str(label), table) for label, table in found.items()})


IDENTITY = Calibration({})
"""No calibration: confidence is the raw probability."""


def _table(label: str, found: Any) -> Table:
    try:
        raw, right = ([float(value) for value in found[name]] for name in ("raw", "right"))
    except (KeyError, TypeError, ValueError) as error:
        raise CalibrationError(f"calibration of {label}: missing or malformed {error}") from None
    if not all(map(isfinite, (*raw, *right))):
        raise CalibrationError(f"calibration of {label}: every number must be finite")
    return Table(raw=raw, right=right)
