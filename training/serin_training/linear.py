"""The linear model that the trees start from: scikit-learn's SGD, one class against the rest, log loss.

Two things make it good on newer rows and on merchants that nobody has seen: a row weighs half as much for each
HALF_LIFE of its age (a shop's category changes), and a merchant of n rows weighs as much as sqrt(n) (else three shops
teach all).

Rows that teach the trees are scored by models of strictly older rows: to the trees, merchants are then as new as they
will be in serving. Folds at random would show them rows that the linear model all but knows by heart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import SGDClassifier

from serin_training.reading.rows import Labelled
from serin_training.words import Floats, Ints

HALF_LIFE: Final = 365.0
"""Days."""
_PASSES: Final = 50
_ALPHA: Final = 3e-6
"""The strength of the penalty on 120,000 rows and more."""
_ALPHA_ROWS: Final = 0.36
"""The same on fewer rows, times the rows."""
_PARTS: Final = 7
"""So many parts of equal size in time; the first two only teach."""
_ONLY_TEACH: Final = 2
_NEVER: Final = -12.0
"""The score of a class that a model has not seen."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """Rows to learn from, oldest first, in the forms that fitting needs."""

    rows: Sequence[Labelled]
    matrix: csr_matrix
    """One row a row."""
    labels: Ints
    """Numbers of classes."""
    classes: int

    def before(self, end: int) -> "Lesson":
        """Answer the rows before `end`."""
        return Lesson(self.rows[:end], self.matrix[:end], self.labels[:end], self.classes)


@dataclass(frozen=True, slots=True)
class Linear:
    """Weights by word and class, and a bias by class."""

    weights: Floats
    bias: Floats

    def scores(self, matrix: csr_matrix) -> Floats:
        """Answer one row a row, one column a class."""
        found: Floats = np.asarray(matrix @ self.weights + self.bias)
        return found


def fit_linear(lesson: Lesson, *, seed: int) -> Linear:
    """Fit on rows of at least one class."""
    present = np.unique(lesson.labels)
    rows, words = lesson.matrix.shape
    fitted = Linear(np.zeros((words, lesson.classes)), np.full(lesson.classes, _NEVER))
    if len(present) == 1:
        fitted.bias[present] = -_NEVER
        return fitted
    model: Any = SGDClassifier(
        loss="log_loss", alpha=max(_ALPHA, _ALPHA_ROWS / rows), max_iter=_PASSES, n_jobs=2, random_state=seed
    ).fit(lesson.matrix, lesson.labels, sample_weight=_weights(lesson.rows))
    coefficients, bias = model.coef_, model.intercept_
    if len(present) == 2:  # noqa: PLR2004 - scikit-learn then fits one model for both
        coefficients, bias = np.vstack([-coefficients, coefficients]), np.array([-bias[0], bias[0]])
    fitted.weights[:, present] = coefficients.T
    fitted.bias[present] = bias
    return fitted


def _weights(rows: Sequence[Labelled]) -> Floats:
    """Answer how much each row weighs, on average 1."""
    newest = max(row.at for row in rows)
    days = np.array([(newest - row.at).total_seconds() / 86_400 for row in rows])
    _, place, count = np.unique([row.transaction.merchant for row in rows], return_inverse=True, return_counts=True)
    weights: Floats = 0.5 ** (days / HALF_LIFE) / np.sqrt(count[place])
    weights /= weights.mean()
    return weights


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows that were scored by models of older rows."""

    places: Ints
    """Which rows, in order."""
    scores: Floats


def score_by_older_rows(lesson: Lesson, *, seed: int, tell: Callable[[str], None]) -> Scored:
    """Score all but the oldest rows, part by part, each by a model of the parts before it."""
    bounds = np.linspace(0, len(lesson.rows), _PARTS + 1).round().astype(np.int64)
    found = []
    for part in range(_ONLY_TEACH, _PARTS):
        old, end = int(bounds[part]), int(bounds[part + 1])
        found.append(fit_linear(lesson.before(old), seed=seed).scores(lesson.matrix[old:end]))
        tell(f"linear: part {part + 1} of {_PARTS} scored by the {old} rows before it")
    return Scored(np.arange(bounds[_ONLY_TEACH], len(lesson.rows)), np.concatenate(found))
