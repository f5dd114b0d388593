"""The linear model that the trees start from: scikit-learn's SGD, one class against the rest, log loss.

Two things make it good on newer rows and on merchants that nobody has seen: a row weighs half as much for each
HALF_LIFE of its age (a shop's category changes), and a merchant of n rows weighs as much as sqrt(n) (else three shops
teach all).

Rows that teach the trees are scored by models of strictly older rows: to the trees, merchants are then as new as they
will be in serving. Folds at random would show them rows that the linear model all but knows by heart.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import SGDClassifier

from serin_training.data.rows import LabelledTransaction
from serin_training.features.words import Floats, Ints

HALF_LIFE: Final = 365.0
"""Days."""
_PASSES: Final = 50
_PASSES_ROWS: Final = 250_000
"""On more rows than these so many passes are not needed: rows times passes then stays the same."""
_LEAST_PASSES: Final = 6
MOST_OLDER: Final = 500_000
"""So many older rows are enough to score newer ones by."""
_ALPHA: Final = 3e-6
"""The strength of the penalty."""
FEW_ROWS: Final = 100_000
"""A lesson of fewer rows is learned in another way: rare words count for more, as in TF-IDF, the penalty is stronger,
and the weights are the mean of the later half of the passes: where a single pass ends is a matter of luck."""
_RARITY: Final = 0.2
"""Brings the usual rarity of a word to about 1, so that the penalty fits."""
_PASSES_OF_FEW: Final = 24
_ALPHA_OF_FEW: Final = 1.5e-5
"""The strength of the penalty on 48,000 rows and fewer."""
_ALPHA_OF_FEW_ROWS: Final = 0.72
"""The same on more rows, times the rows."""
_PARTS: Final = 7
"""So many parts of equal size in time; the first two only teach."""
_ONLY_TEACH: Final = 2
_NEVER: Final = -12.0
"""The score of a class that a model has not seen."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Rows to learn from, oldest first, as arrays: what fitting needs, here or on another machine."""

    matrix: csr_matrix
    """One row a row, one column a word."""
    labels: Ints
    """Numbers of classes."""
    days: Floats
    """When each row happened, in days since any moment."""
    merchants: Ints
    """A number a merchant."""
    classes: int
    is_small: bool
    """Whether the whole lesson, of which this may be a part, has fewer than FEW_ROWS rows."""

    def before(self, end: int) -> "TrainingSet":
        """Answer the rows before `end`, of these the newest MOST_OLDER."""
        part = slice(max(0, end - MOST_OLDER), end)
        return TrainingSet(
            self.matrix[part], self.labels[part], self.days[part], self.merchants[part], self.classes, self.is_small
        )

    def weights(self) -> Floats:
        """Answer how much each row weighs, on average 1."""
        _, place, count = np.unique(self.merchants, return_inverse=True, return_counts=True)
        weights: Floats = 0.5 ** ((self.days.max() - self.days) / HALF_LIFE) / np.sqrt(count[place])
        weights /= weights.mean()
        return weights


def lesson_of(rows: Sequence[LabelledTransaction], matrix: csr_matrix, labels: Ints, *, classes: int) -> TrainingSet:
    """Answer rows as a lesson."""
    merchants: dict[str, int] = {}
    return TrainingSet(
        matrix,
        labels,
        days=np.array([row.at.timestamp() / 86_400 for row in rows]),
        merchants=np.array([merchants.setdefault(row.transaction.merchant, len(merchants)) for row in rows]),
        classes=classes,
        is_small=len(rows) < FEW_ROWS,
    )


@dataclass(frozen=True, slots=True)
class Linear:
    """Weights by word and class, and a bias by class."""

    weights: Floats
    bias: Floats

    def scores(self, matrix: csr_matrix) -> Floats:
        """Answer one row a row, one column a class."""
        found: Floats = np.asarray(matrix @ self.weights + self.bias)
        return found


def fit_linear(lesson: TrainingSet, *, seed: int) -> Linear:
    """Fit on rows of at least one class."""
    present = np.unique(lesson.labels)
    words = lesson.matrix.shape[1]
    fitted = Linear(np.zeros((words, lesson.classes)), np.full(lesson.classes, _NEVER))
    if len(present) == 1:
        fitted.bias[present] = -_NEVER
        return fitted
    rarity = _rarity(lesson)
    scaled = lesson.matrix.copy()
    scaled.data *= rarity[scaled.indices]
    model: Any = SGDClassifier(loss="log_loss", n_jobs=2, random_state=seed, **_pace(lesson)).fit(
        scaled, lesson.labels, sample_weight=lesson.weights()
    )
    coefficients, bias = model.coef_, model.intercept_
    if len(present) == 2:  # noqa: PLR2004 - scikit-learn then fits one model for both
        coefficients, bias = np.vstack([-coefficients, coefficients]), np.array([-bias[0], bias[0]])
    fitted.weights[:, present] = coefficients.T * rarity[:, None]
    fitted.bias[present] = bias
    return fitted


def _pace(lesson: TrainingSet) -> dict[str, Any]:
    """Answer how strong the penalty is, how often the rows are passed, and of which passes the mean is taken."""
    rows = len(lesson.labels)
    if lesson.is_small:
        return {
            "alpha": min(_ALPHA_OF_FEW, _ALPHA_OF_FEW_ROWS / rows),
            "max_iter": _PASSES_OF_FEW,
            "tol": None,
            "average": _PASSES_OF_FEW // 2 * rows,
        }
    return {"alpha": _ALPHA, "max_iter": max(_LEAST_PASSES, min(_PASSES, _PASSES * _PASSES_ROWS // rows))}


def _rarity(lesson: TrainingSet) -> Floats:
    """Answer what each word's value is multiplied by while fitting: log((1 + rows) / (1 + rows with it)), scaled."""
    rows, words = lesson.matrix.shape
    if not lesson.is_small:
        return np.ones(words)
    found: Floats = _RARITY * np.log((1 + rows) / (1 + np.bincount(lesson.matrix.indices, minlength=words)))
    return found


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows that were scored by models of older rows."""

    places: Ints
    """Which rows, in order."""
    scores: Floats


Fit = Callable[[Iterable[TrainingSet]], Iterable[Linear]]
"""Fits lessons, one after the other or all at once, and answers in their order."""


def score_by_older_rows(lesson: TrainingSet, fit: Fit, tell: Callable[[int, int], None]) -> Scored:
    """Score all but the oldest rows, part by part, each by a model of rows before it; `tell` gets parts, of all."""
    bounds = np.linspace(0, len(lesson.labels), _PARTS + 1).round().astype(np.int64).tolist()
    parts = list(itertools.pairwise(bounds))[_ONLY_TEACH:]
    found = []
    for done, (model, (old, end)) in enumerate(
        zip(fit(lesson.before(old) for old, _ in parts), parts, strict=True), start=1
    ):
        found.append(model.scores(lesson.matrix[old:end]))
        tell(done, len(parts))
    return Scored(np.arange(parts[0][0], len(lesson.labels)), np.concatenate(found))
