"""LightGBM: growing the trees and asking them. The same data and seed give the same trees on the same machine.

The trees start from the linear model's scores (LightGBM's init_score) and see only the numbers of a transaction. Shown
the scores as well they learn to trust words more than new merchants deserve: macro F1 falls, most on merchants unseen.

Never takes more than THREADS threads: on a shared machine more of them wait for each other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np

from serin_core.encoder import starting_point
from serin_training.words import Floats, Ints

THREADS: Final = 2
ROUNDS: Final = 200
"""At most so many trees a class."""
_PATIENCE: Final = 10
_STOP_SHARE: Final = 0.1
"""The newest share of the rows to learn from, that only says when to stop."""
_TELL_EVERY: Final = 25
# Rates above 0.2 diverge; 15 leaves keep one answer cheap.
_PARAMETERS: Final[dict[str, Any]] = {
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


def grow(numbers: Floats, scores: Floats, labels: Ints, *, seed: int, tell: Callable[[str], None]) -> Trees:
    """Grow trees on rows in order of time, from their scores; the newest tenth of the rows says when to stop."""
    first = round(len(labels) * (1 - _STOP_SHARE))
    start = starting_point(scores)
    learn = lightgbm.Dataset(numbers[:first], labels[:first], init_score=start[:first])
    stop = lightgbm.Dataset(numbers[first:], labels[first:], init_score=start[first:], reference=learn)

    def progress(state: Any) -> None:
        done = state.iteration + 1
        if done % _TELL_EVERY == 0:
            tell(f"trees: round {done} of at most {ROUNDS}, log loss {state.evaluation_result_list[0][2]:.4f}")

    booster = lightgbm.train(
        _PARAMETERS | {"num_class": scores.shape[1], "seed": seed},
        learn,
        ROUNDS,
        valid_sets=[stop],
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False), progress],
    )
    return Trees(str(booster.model_to_string(num_iteration=booster.best_iteration)))
