"""The linear model that the trees start from: scikit-learn's SGD, one class against the rest, log loss.

Two weights make it good on newer rows and on unseen merchants: a row's weight halves with every HALF_LIFE of its age (a
shop's category changes), and a merchant with n rows has the weight sqrt(n) (otherwise three shops dominate).

The rows that the trees learn from are scored by models of strictly older rows: merchants are then as new to the trees
as they will be in serving. Random folds would show them rows that the linear model nearly knows by heart.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import SGDClassifier

from serin_core.model.encoder import probabilities
from serin_training.aging import OlderModel
from serin_training.arrays import Floats, Ints
from serin_training.data.rows import LabelledTransaction

HALF_LIFE: Final = 365.0
"""In days."""
ACCEPTED: Final = 0.25
"""Weight of an accepted suggestion: users also accept without looking, and then it repeats an error of the run
(docs/decisions/0188-accepted-suggestions.md)."""
_PASSES: Final = 50
_PASSES_ROWS: Final = 250_000
"""On more rows fewer passes suffice: rows times passes stays constant."""
_MIN_PASSES: Final = 6
MAX_OLDER_ROWS: Final = 500_000
"""Older rows that a model is fitted on to score newer ones."""
_ALPHA: Final = 3e-6
"""Strength of the penalty."""
SMALL_ROWS: Final = 100_000
"""Below this many rows fitting differs: rare words count for more (as in TF-IDF), the penalty is stronger, and the
weights are averaged over the second half of the passes, because the end of a single pass is a matter of luck."""
_RARITY: Final = 0.2
"""Scales the usual rarity of a word to about 1, so that the penalty fits."""
_SMALL_PASSES: Final = 24
_SMALL_ALPHA: Final = 1.5e-5
"""Strength of the penalty on up to 48,000 rows."""
_SMALL_ALPHA_ROWS: Final = 0.72
"""Strength of the penalty on more rows, times the number of rows."""
_FOLDS: Final = 7
"""Parts of equal size in time; the first two are only learned from."""
_TRAIN_ONLY_FOLDS: Final = 2
_UNSEEN: Final = -12.0
"""Score of a class that a model has not seen."""


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Rows to learn from, oldest first, as arrays: all that fitting needs, here or on another machine."""

    matrix: csr_matrix
    """Shape (rows, words): the words of each row, and outside knowledge about them."""
    labels: Ints
    """Class number by row."""
    days: Floats
    """Time of each row, in days since any fixed moment."""
    merchants: Ints
    """Merchant number by row."""
    classes: int
    trust: Floats
    """ACCEPTED for rows whose label is an accepted suggestion, 1 for the others."""
    is_small: bool
    """Whether the whole training set, of which this may be a part, has fewer than SMALL_ROWS rows."""
    outside: int = 0
    """Number of the last columns of `matrix` that are outside knowledge and no words."""

    def before(self, end: int) -> "TrainingSet":
        """Return the rows before `end`, at most the newest MAX_OLDER_ROWS of them."""
        part = slice(max(0, end - MAX_OLDER_ROWS), end)
        return replace(
            self,
            matrix=self.matrix[part],
            labels=self.labels[part],
            days=self.days[part],
            merchants=self.merchants[part],
            trust=self.trust[part],
        )

    def weights(self) -> Floats:
        """Return the weight of each row; their mean is 1."""
        _, place, count = np.unique(self.merchants, return_inverse=True, return_counts=True)
        weights: Floats = 0.5 ** ((self.days.max() - self.days) / HALF_LIFE) / np.sqrt(count[place])
        weights *= self.trust
        weights /= weights.mean()
        return weights


def training_set_of(
    rows: Sequence[LabelledTransaction], matrix: csr_matrix, labels: Ints, *, classes: int, outside: int = 0
) -> TrainingSet:
    """Return rows as a training set; the last `outside` columns of the matrix are outside knowledge."""
    merchants: dict[str, int] = {}
    return TrainingSet(
        matrix,
        labels,
        days=np.array([row.at.timestamp() / 86_400 for row in rows]),
        merchants=np.array([merchants.setdefault(row.transaction.merchant, len(merchants)) for row in rows]),
        classes=classes,
        trust=np.array([ACCEPTED if row.is_accepted else 1.0 for row in rows]),
        is_small=len(rows) < SMALL_ROWS,
        outside=outside,
    )


@dataclass(frozen=True, slots=True)
class Linear:
    """A fitted linear model."""

    weights: Floats
    """Shape (words, classes)."""
    bias: Floats
    """Shape (classes,)."""

    def scores(self, matrix: csr_matrix) -> Floats:
        """Return scores of shape (rows, classes)."""
        found: Floats = np.asarray(matrix @ self.weights + self.bias)
        return found


def fit_linear(training_set: TrainingSet, *, seed: int) -> Linear:
    """Fit the model on rows of at least one class."""
    present = np.unique(training_set.labels)
    words = training_set.matrix.shape[1]
    fitted = Linear(np.zeros((words, training_set.classes)), np.full(training_set.classes, _UNSEEN))
    if len(present) == 1:
        fitted.bias[present] = -_UNSEEN
        return fitted
    if not words:
        share = np.bincount(training_set.labels, training_set.weights())[present] / len(training_set.labels)
        fitted.bias[present] = np.log(share / (1 - share))
        return fitted
    rarity = _rarity(training_set)
    scaled = training_set.matrix.copy()
    scaled.data *= rarity[scaled.indices]
    model: Any = SGDClassifier(loss="log_loss", n_jobs=2, random_state=seed, **_parameters(training_set)).fit(
        scaled, training_set.labels, sample_weight=training_set.weights()
    )
    coefficients, bias = model.coef_, model.intercept_
    if len(present) == 2:  # noqa: PLR2004 - scikit-learn then fits one model for both
        coefficients, bias = np.vstack([-coefficients, coefficients]), np.array([-bias[0], bias[0]])
    fitted.weights[:, present] = coefficients.T * rarity[:, None]
    fitted.bias[present] = bias
    return fitted


def _parameters(training_set: TrainingSet) -> dict[str, Any]:
    """Return the strength of the penalty, the number of passes, and from which row on weights are averaged."""
    rows = len(training_set.labels)
    if training_set.is_small:
        return {
            "alpha": min(_SMALL_ALPHA, _SMALL_ALPHA_ROWS / rows),
            "max_iter": _SMALL_PASSES,
            "tol": None,
            "average": _SMALL_PASSES // 2 * rows,
        }
    return {"alpha": _ALPHA, "max_iter": max(_MIN_PASSES, min(_PASSES, _PASSES * _PASSES_ROWS // rows))}


def _rarity(training_set: TrainingSet) -> Floats:
    """Return the factor of each word while fitting: log((1 + rows) / (1 + rows with it)), scaled."""
    rows, words = training_set.matrix.shape
    if not training_set.is_small:
        return np.ones(words)
    found: Floats = _RARITY * np.log((1 + rows) / (1 + np.bincount(training_set.matrix.indices, minlength=words)))
    found[words - training_set.outside :] = 1.0
    return found


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows that were scored by models of older rows."""

    places: Ints
    """Indices of the rows, in order."""
    scores: Floats
    models: tuple[OlderModel, ...]
    """The models, oldest first, and what each predicts for all newer rows."""


Fit = Callable[[Iterable[TrainingSet]], Iterable[Linear]]
"""Fits models, one after the other or all at once, and returns them in the order of their training sets."""


def score_by_older_rows(training_set: TrainingSet, fit: Fit, progress: Callable[[int, int], None]) -> Scored:
    """Score all but the oldest rows, fold by fold, each by a model of the rows before it.

    `progress` is called with the number of folds done and of all folds.
    """
    bounds = np.linspace(0, len(training_set.labels), _FOLDS + 1).round().astype(np.int64).tolist()
    folds = list(itertools.pairwise(bounds))[_TRAIN_ONLY_FOLDS:]
    found, models = [], []
    for done, (model, (start, end)) in enumerate(
        zip(fit(training_set.before(start) for start, _ in folds), folds, strict=True), start=1
    ):
        scores = model.scores(training_set.matrix[start:])
        found.append(scores[: end - start])
        models.append(_older_model(training_set, start, scores))
        progress(done, len(folds))
    return Scored(np.arange(folds[0][0], len(training_set.labels)), np.concatenate(found), tuple(models))


def _older_model(training_set: TrainingSet, start: int, scores: Floats) -> OlderModel:
    raw = probabilities(scores, np.zeros_like(scores))
    predicted = raw.argmax(axis=1)
    return OlderModel(
        known_to=float(training_set.days[start - 1]),
        days=training_set.days[start:],
        predicted=predicted,
        confidence=raw.max(axis=1),
        right=(predicted == training_set.labels[start:]).astype(np.float64),
    )
