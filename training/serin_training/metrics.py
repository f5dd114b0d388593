"""Measures of answers against the categories that people gave. Pure: arrays in, numbers out.

Scores by class and coverage by threshold are judging's; here is what is looked at beside them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 15
_Z: Final = 1.96
"""Two-sided 95 %."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about one confidence."""

    confidence: float
    """Their mean."""
    right: float
    """The share of them that is right."""
    answers: int


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows of one class that were answered with another."""

    truth: str
    answer: str
    rows: int


def reliability(confidence: Sequence[float], right: Sequence[bool]) -> list[Bin]:
    """Answer the bins of equal width that hold an answer, lowest confidence first."""
    at, is_right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.bool_)
    place = np.minimum((at * BINS).astype(np.int64), BINS - 1)
    return [
        Bin(float(at[place == one].mean()), float(is_right[place == one].mean()), int((place == one).sum()))
        for one in np.unique(place)
    ]


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Answer the mean distance between confidence and share of right answers (Guo et al., ICML 2017)."""
    answers = sum(one.answers for one in bins)
    return sum(abs(one.confidence - one.right) * one.answers for one in bins) / answers if answers else 0.0


def confusions(answers: Sequence[str], categories: Sequence[str], *, most: int) -> list[Confusion]:
    """Answer the most frequent wrong answers, most rows first."""
    wrong = Counter((truth, answer) for answer, truth in zip(answers, categories, strict=True) if answer != truth)
    ordered = sorted(wrong.items(), key=lambda item: (-item[1], item[0]))
    return [Confusion(truth, answer, rows) for (truth, answer), rows in ordered[:most]]


def confusion_matrix(answers: Sequence[str], categories: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """Answer rows by truth (first axis) and answer (second), in the order of `labels`; others are left out."""
    place = {label: at for at, label in enumerate(labels)}
    found = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for answer, truth in zip(answers, categories, strict=True):
        if answer in place and truth in place:
            found[place[truth], place[answer]] += 1
    return found


def f1_interval(f1: float, rows: int) -> tuple[float, float]:
    """Answer about where F1 lies with 95 % confidence, given as many false answers as missed ones.

    F1 = 2q / (1 + q), where q is the share of hits among hits and errors: rows (2 - F1) of them. The ends are those of
    Wilson's interval of q.
    """
    if rows == 0:
        return 0.0, 1.0
    trials, q = rows * (2 - f1), f1 / (2 - f1)
    middle = (q + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = _Z / (1 + _Z**2 / trials) * sqrt(q * (1 - q) / trials + (_Z / (2 * trials)) ** 2)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def macro_f1(answers: Sequence[str], categories: Sequence[str]) -> float:
    """Answer the mean F1 of the classes that stand among the categories; 0 where there is no row."""
    right = Counter(truth for answer, truth in zip(answers, categories, strict=True) if answer == truth)
    answered, wanted = Counter(answers), Counter(categories)
    scores = [2 * right[label] / (answered[label] + wanted[label]) for label in wanted]
    return sum(scores) / len(scores) if scores else 0.0


def by_group(
    groups: Sequence[str], answers: Sequence[str], categories: Sequence[str]
) -> Mapping[str, tuple[float, int]]:
    """Answer accuracy and rows of each group, in the order of their names."""
    rows, right = (
        Counter(groups),
        Counter(group for group, answer, truth in zip(groups, answers, categories, strict=True) if answer == truth),
    )
    return {group: (right[group] / rows[group], rows[group]) for group in sorted(rows)}
