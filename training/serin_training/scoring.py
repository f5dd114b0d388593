"""How good a run is on the newest rows: F1, and how much it answers at each threshold. Never looks at other rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serin_core.model.report import ClassCoverage, Coverage

THRESHOLDS: Final = (0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 0.99)
MIN_ROWS: Final = 30
"""A class with fewer rows to judge it by is not held against a run: its F1 is known to a tenth at best."""
Texts = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Scores:
    """What a run achieved on the judging rows; shares in 0 to 1."""

    f1: Mapping[str, float]
    """By class; a class of which there is no row has none."""
    rows: Mapping[str, int]
    """How many rows judged each of these classes."""
    accuracy: float
    coverage: Mapping[str, Coverage]
    coverage_by_class: Mapping[str, ClassCoverage]

    @property
    def f1_macro(self) -> float:
        """Answer the mean of the classes' F1."""
        return sum(self.f1.values()) / len(self.f1)

    @property
    def worst(self) -> str:
        """Answer the class of the least F1, of those with MIN_ROWS rows; of all where none has."""
        candidates = [label for label in self.f1 if self.rows[label] >= MIN_ROWS] or list(self.f1)
        return min(candidates, key=lambda label: self.f1[label])

    @property
    def f1_min(self) -> float:
        """Answer the least F1."""
        return self.f1[self.worst]


def judge(answers: Sequence[tuple[str, float]], categories: Sequence[str]) -> Scores:
    """Judge answers, each a label and its confidence, by the categories that people gave; at least one row."""
    labels = np.array([label for label, _ in answers])
    confidence = np.array([confidence for _, confidence in answers])
    truth = np.array(categories)
    right = labels == truth
    f1, by_class = {}, {}
    for label in sorted({*labels.tolist(), *truth.tolist()}):
        answered, wanted = labels == label, truth == label
        if wanted.any():
            # F1 = 2 TP / (2 TP + FP + FN), whose denominator is answered + wanted.
            f1[label] = float(2 * (answered & wanted).sum() / (answered.sum() + wanted.sum()))
        by_class[label] = ClassCoverage(
            share=float(answered.mean()), by_threshold=_coverage(confidence[answered], right[answered])
        )
    return Scores(
        f1=f1,
        rows={label: int((truth == label).sum()) for label in f1},
        accuracy=float(right.mean()),
        coverage=_coverage(confidence, right),
        coverage_by_class=by_class,
    )


def _coverage(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> dict[str, Coverage]:
    found = {}
    for threshold in THRESHOLDS:
        covered = confidence >= threshold
        found[f"{threshold:.2f}"] = Coverage(
            coverage=float(covered.mean()) if covered.size else 0.0,
            precision=float(right[covered].mean()) if covered.any() else 0.0,
        )
    return found
