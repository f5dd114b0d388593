"""What more labels would give: scores of linear models of a quarter, half and all of the labels, and what follows.

All models are judged on the same evaluation rows, and the parts are drawn at random, so that only the number of labels
differs between them. The quarters do not overlap, nor do the halves; their scores are averaged. Pure.

Three continuations bound what twice as many labels would give: the error goes on to shrink by the same factor, the gain
fades as it did before, or the larger gain comes once more. The estimate is the mean of the first two. The interval is
that of all three over resampled evaluation rows, so that few rows make it wide.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from serin_core.model.report import ClassCurve, CurvePoint, Expected, LearningCurve
from serin_training.arrays import Floats, Ints
from serin_training.scoring import MIN_ROWS

MIN_LABELS: Final = 200
"""With fewer, a quarter teaches nothing."""
MAX_LABELS: Final = 80_000
"""With more, labels are not what is missing, and the models take minutes."""
_DIVISORS: Final = (4, 2, 1)
_ESTIMATES: Final = 2
"""The estimate is the mean of this many continuations, the first ones."""
_DRAWS: Final = 200
_INTERVAL: Final = (0.025, 0.975)
_WIDEST: Final = 0.25
"""Width of an interval from which on it says nothing."""

Predict = Callable[[Ints], Sequence[str]]
"""Returns what a model of the rows at these places predicts for the evaluation rows."""


def parts_of(rows: int, *, seed: int) -> list[list[Ints]]:
    """Return the places of the rows of each quarter, of each half, and of all, oldest first."""
    shuffled = np.random.default_rng(seed).permutation(rows)
    return [[np.sort(part) for part in np.array_split(shuffled, divisor)] for divisor in _DIVISORS]


def learning_curve(
    learned: Sequence[str], truth: Sequence[str], predict: Predict, *, seed: int
) -> LearningCurve | None:
    """Return the learning curve, or None if there are too few labels, or enough of them.

    `learned` and `truth` are the categories of the rows learned from, oldest first, and of the evaluation rows.
    """
    if not MIN_LABELS <= len(learned) <= MAX_LABELS:
        return None
    predicted = [[predict(part) for part in parts] for parts in parts_of(len(learned), seed=seed)]
    return curve_of(learned, truth, predicted, seed=seed)


def curve_of(
    learned: Sequence[str], truth: Sequence[str], predicted: Sequence[Sequence[Sequence[str]]], *, seed: int
) -> LearningCurve:
    """Return the curve from the predictions of the models of each size, the smallest first."""
    names = sorted(set(truth))
    number = {name: at for at, name in enumerate(names)}
    true = np.array([number[label] for label in truth])
    models = [[np.array([number.get(label, -1) for label in labels]) for labels in of_size] for of_size in predicted]
    scores = _Errors.of(true, models, np.ones(len(true)), classes=len(names))
    rng = np.random.default_rng(seed)
    draws = [
        _Errors.of(true, models, rng.multinomial(len(true), np.full(len(true), 1 / len(true))), classes=len(names))
        for _ in range(_DRAWS)
    ]
    labels, rows = Counter(learned), Counter(truth)
    sizes = [len(learned) // divisor for divisor in _DIVISORS]
    return LearningCurve(
        points=tuple(
            CurvePoint(labels=size, accuracy=1 - accuracy)
            for size, accuracy in zip(sizes, scores.accuracy.tolist(), strict=True)
        ),
        doubled=_expected(scores.accuracy, np.array([one.accuracy for one in draws])),
        classes={
            name: ClassCurve(
                labels=labels[name],
                rows=rows[name],
                f1=tuple((1 - scores.f1[:, at]).tolist()),
                doubled=_of_class(scores.f1[:, at], np.array([one.f1[:, at] for one in draws]), rows=rows[name]),
            )
            for at, name in enumerate(names)
        },
    )


@dataclass(frozen=True, slots=True)
class _Errors:
    """Mean errors of the models of each size."""

    accuracy: Floats
    """1 - accuracy, by size."""
    f1: Floats
    """1 - F1, of shape (sizes, classes)."""

    @classmethod
    def of(cls, true: Ints, models: Sequence[Sequence[Ints]], weights: Ints | Floats, *, classes: int) -> "_Errors":
        """Return the errors on weighted rows."""
        rows = np.bincount(true, weights, minlength=classes)
        accuracy, f1 = [], []
        for of_size in models:
            right = [
                np.bincount(true[labels == true], weights[labels == true], minlength=classes) for labels in of_size
            ]
            named = [np.bincount(labels + 1, weights, minlength=classes + 1)[1:] for labels in of_size]
            accuracy.append(1 - np.mean([one.sum() for one in right]) / rows.sum())
            both = [2 * one / np.maximum(rows + other, 1) for one, other in zip(right, named, strict=True)]
            f1.append(1 - np.mean(both, axis=0))
        return cls(np.array(accuracy), np.array(f1))


def continuations(errors: Floats) -> Floats:
    """Return the errors of twice as many labels, from those of a quarter, half and all of them on the last axis.

    On the last axis of the result: the same factor, a gain that fades as before, and the larger gain once more.
    """
    quarter, half, whole = np.moveaxis(errors, -1, 0)
    before, last = np.maximum(quarter - half, 0), np.maximum(half - whole, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.sqrt(np.nan_to_num(whole / quarter, nan=1.0, posinf=1.0))
        fading = np.nan_to_num(last / before, nan=0.0, posinf=1.0)
    gains = whole * (1 - np.minimum(factor, 1)), last * np.minimum(fading, 1), np.maximum(before, last)
    found: Floats = np.maximum(whole[..., None] - np.stack(gains, axis=-1), 0)
    return found


def _expected(errors: Floats, draws: Floats) -> Expected:
    score = 1 - float(continuations(errors)[:_ESTIMATES].mean())
    drawn = 1 - continuations(draws)
    low, high = np.quantile(drawn.min(axis=1), _INTERVAL[0]), np.quantile(drawn.max(axis=1), _INTERVAL[1])
    return Expected(score=score, low=min(score, float(low)), high=max(score, float(high)))


def _of_class(errors: Floats, draws: Floats, *, rows: int) -> Expected | None:
    if rows < MIN_ROWS:
        return None
    found = _expected(errors, draws)
    return None if found.high - found.low > _WIDEST else found
