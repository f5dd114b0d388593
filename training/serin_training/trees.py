"""LightGBM: growing the trees and asking them. The same data and seed give the same trees on the same machine.

The trees start from the linear model's scores (LightGBM's init_score) and see only the numbers of a transaction. Shown
the scores as well they learn to trust words more than new merchants deserve: macro F1 falls, most on merchants unseen.

Never takes more than THREADS threads: on a shared machine more of them wait for each other.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np

from serin_core.model.encoder import starting_point
from serin_training.features.words import Floats, Ints

THREADS: Final = 2
ROUNDS: Final = 200
"""At most so many trees a class."""
PATIENCE: Final = 10
_STOP_SHARE: Final = 0.1
"""The newest share of the rows to learn from, that only says when to stop."""
MOST_ROWS: Final = 300_000
"""Five numbers are learned from so many rows; more, and older ones, add nothing."""
# Rates above 0.2 diverge; 15 leaves keep one answer cheap.
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
        """Answer what to add to the starting point, one row a row and one column a class, as a server does."""
        booster = lightgbm.Booster(model_str=self.text)
        found: Floats = np.asarray(booster.predict(numbers, raw_score=True, num_threads=THREADS), dtype=np.float64)
        return found

    @property
    def count(self) -> int:
        """Answer how many trees there are, over all classes."""
        return int(lightgbm.Booster(model_str=self.text).num_trees())


def grow(
    numbers: Floats, scores: Floats, labels: Ints, *, seed: int, tell: Callable[[int, int], None] = lambda _, __: None
) -> Trees:
    """Grow trees on rows in order of time, from their scores; the newest tenth of the rows says when to stop.

    `tell` gets rounds done, of at most how many.
    """
    numbers, scores, labels = numbers[-MOST_ROWS:], scores[-MOST_ROWS:], labels[-MOST_ROWS:]
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
            lambda state: tell(state.iteration + 1, ROUNDS),
        ],
    )
    return Trees(str(booster.model_to_string(num_iteration=booster.best_iteration)))


def stop_at(rows: int) -> int:
    """Answer the first of the rows that only say when to stop."""
    return round(rows * (1 - _STOP_SHARE))


def best_round(losses: Iterable[float]) -> int:
    """Answer after how many rounds the loss was least, looking no further than PATIENCE rounds behind the best."""
    best, least = 0, math.inf
    for number, loss in enumerate(losses, start=1):
        if loss < least:
            best, least = number, loss
        elif number - best >= PATIENCE:
            break
    return best
