"""Metrics of predictions that scikit-learn does not have. Pure: sequences in, numbers out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

BINS: Final = 15
_Z: Final = 1.96
"""Two-sided 95 %."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions of about the same confidence."""

    confidence: float
    """Mean confidence."""
    right: float
    """Share of right predictions."""
    predictions: int


def reliability(confidence: Sequence[float], right: Sequence[bool]) -> list[Bin]:
    """Return the non-empty bins of equal width, lowest confidence first."""
    at, is_right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.bool_)
    place = np.minimum((at * BINS).astype(np.int64), BINS - 1)
    return [
        Bin(float(at[place == one].mean()), float(is_right[place == one].mean()), int((place == one).sum()))
        for one in np.unique(place)
    ]


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Return the mean distance between confidence and share of right predictions (Guo et al., ICML 2017)."""
    total = sum(one.predictions for one in bins)
    return sum(abs(one.confidence - one.right) * one.predictions for one in bins) / total if total else 0.0


def f1_interval(f1: float, rows: int) -> tuple[float, float]:
    """Return the approximate 95 % confidence interval of F1, assuming as many false positives as false negatives.

    F1 = 2q / (1 + q), where q is the share of true positives among true positives and errors: rows (2 - F1) of them.
    The ends are those of Wilson's interval of q.
    """
    if rows == 0:
        return 0.0, 1.0
    trials, q = rows * (2 - f1), f1 / (2 - f1)
    middle = (q + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = _Z / (1 + _Z**2 / trials) * sqrt(q * (1 - q) / trials + (_Z / (2 * trials)) ** 2)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def macro_f1(labels: Sequence[str], categories: Sequence[str]) -> float:
    """Return the mean F1 of the classes among the true categories; 0 without rows."""
    right = Counter(truth for label, truth in zip(labels, categories, strict=True) if label == truth)
    predicted, true = Counter(labels), Counter(categories)
    scores = [2 * right[label] / (predicted[label] + true[label]) for label in true]
    return sum(scores) / len(scores) if scores else 0.0
