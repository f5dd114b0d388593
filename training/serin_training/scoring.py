"""How good predictions are: F1 by class, accuracy, and coverage and precision at each threshold. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from serin_core.contract.pod_report import ClassCoverage, Coverage

THRESHOLDS: Final = (0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95, 0.99)
MIN_ROWS: Final = 30
"""A class with fewer rows is not part of the acceptance gate: its F1 is known to a tenth at best."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores on the evaluation rows; shares from 0 to 1."""

    f1: Mapping[str, float]
    """By class; a class without a row has none."""
    rows: Mapping[str, int]
    """Rows of each of these classes."""
    accuracy: float
    coverage: Mapping[str, Coverage]
    coverage_by_class: Mapping[str, ClassCoverage]

    @property
    def f1_macro(self) -> float:
        """Mean F1 of the classes."""
        return sum(self.f1.values()) / len(self.f1)

    @property
    def worst(self) -> str:
        """Class with the lowest F1 of those with MIN_ROWS rows, or of all if none has."""
        candidates = [label for label in self.f1 if self.rows[label] >= MIN_ROWS] or list(self.f1)
        return min(candidates, key=lambda label: self.f1[label])

    @property
    def f1_min(self) -> float:
        """F1 of the worst class."""
        return self.f1[self.worst]


def score(predictions: Sequence[tuple[str, float]], categories: Sequence[str]) -> Scores:
    """Score predictions, each a label and its confidence, against the true categories; at least one row."""
    from sklearn.metrics import precision_recall_fscore_support  # noqa: PLC0415 - `runs` needs only MIN_ROWS

    labels = np.array([label for label, _ in predictions])
    confidence = np.array([confidence for _, confidence in predictions])
    truth = np.array(categories)
    right = labels == truth
    names = np.unique(truth)
    _, _, f1, rows = precision_recall_fscore_support(truth, labels, labels=names, zero_division=0.0)
    return Scores(
        f1=dict(zip(names.tolist(), f1.tolist(), strict=True)),
        rows=dict(zip(names.tolist(), rows.tolist(), strict=True)),
        accuracy=float(right.mean()),
        coverage=coverage_of(confidence, right),
        coverage_by_class={
            label: ClassCoverage(
                share=float((labels == label).mean()),
                by_threshold=coverage_of(confidence[labels == label], right[labels == label]),
            )
            for label in np.union1d(labels, truth).tolist()
        },
    )


def coverage_of(confidence: NDArray[np.float64], right: NDArray[np.bool_ | np.float64]) -> dict[str, Coverage]:
    """Return the coverage at each threshold; `right` is whether each prediction is, or the probability of it."""
    found = {}
    for threshold in THRESHOLDS:
        covered = confidence >= threshold
        found[f"{threshold:.2f}"] = Coverage(
            coverage=float(covered.mean()) if covered.size else 0.0,
            precision=float(right[covered].mean()) if covered.any() else 0.0,
        )
    return found
