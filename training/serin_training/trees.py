"""LightGBM: growing trees and evaluating them. The same data and seed give the same trees on the same machine.

The trees start from the linear model's scores (LightGBM's init_score) and see only the numbers of a transaction. Given
the scores as a feature too, they learn to trust words more than new merchants deserve: macro F1 falls, most on unseen
merchants.

At most THREADS threads are used: on a shared machine more of them wait for each other. LightGBM is imported late, so
that commands which grow no trees start quickly.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from serin_core.model.encoder import starting_point
from serin_training.arrays import Floats, Ints

THREADS: Final = 2
ROUNDS: Final = 200
"""Maximum number of trees per class."""
PATIENCE: Final = 10
"""Rounds without improvement after which growing stops."""
_STOP_SHARE: Final = 0.1
"""Newest share of the rows, used for early stopping only."""
MAX_ROWS: Final = 300_000
"""Newest rows that the trees learn from: for five numbers more rows add nothing."""
# Rates above 0.2 diverge; 15 leaves keep one prediction cheap.
PARAMETERS: Final[dict[str, Any]] = {
    "objective": "multiclass",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 30,
    "lambda_l2": 5.0,
    "num_threads": THREADS,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}


@dataclass(frozen=True, slots=True)
class Trees:
    """Grown trees, in LightGBM's text format."""

    text: str

    def corrections(self, numbers: Floats) -> Floats:
        """Return what is added to the starting point, of shape (rows, classes), as a server computes it."""
        found: Floats = np.asarray(
            self._booster().predict(numbers, raw_score=True, num_threads=THREADS), dtype=np.float64
        )
        return found

    @property
    def count(self) -> int:
        """Number of trees over all classes."""
        return int(self._booster().num_trees())

    def _booster(self) -> Any:
        import lightgbm  # noqa: PLC0415

        return lightgbm.Booster(model_str=self.text)


def grow(
    numbers: Floats,
    scores: Floats,
    labels: Ints,
    *,
    seed: int,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> Trees:
    """Grow trees on rows in time order, from their linear scores; the newest tenth of the rows decides when to stop.

    `progress` is called with the rounds done and the maximum number of rounds.
    """
    import lightgbm  # noqa: PLC0415

    numbers, scores, labels = numbers[-MAX_ROWS:], scores[-MAX_ROWS:], labels[-MAX_ROWS:]
    first = stop_at(len(labels))
    start = starting_point(scores)
    learn = lightgbm.Dataset(numbers[:first], labels[:first], init_score=start[:first])
    stop = lightgbm.Dataset(numbers[first:], labels[first:], init_score=start[first:], reference=learn)
    booster = lightgbm.train(
        PARAMETERS | {"num_class": scores.shape[1], "seed": seed},
        learn,
        ROUNDS,
        valid_sets=[stop],
        callbacks=[
            lightgbm.early_stopping(PATIENCE, verbose=False),
            lambda state: progress(state.iteration + 1, ROUNDS),
        ],
    )
    return Trees(str(booster.model_to_string(num_iteration=booster.best_iteration)))


def stop_at(rows: int) -> int:
    """Return the index of the first row that is used for early stopping only."""
    return round(rows * (1 - _STOP_SHARE))


def best_round(losses: Iterable[float]) -> int:
    """Return the number of rounds with the lowest loss, up to PATIENCE rounds after it."""
    best, lowest = 0, math.inf
    for number, loss in enumerate(losses, start=1):
        if loss < lowest:
            best, lowest = number, loss
        elif number - best >= PATIENCE:
            break
    return best
