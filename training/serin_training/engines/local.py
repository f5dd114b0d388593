"""Training on this machine, one task after the other."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from serin_core.model.features import Transaction
from serin_training import trees
from serin_training.arrays import Floats, Ints
from serin_training.engines.engine import CHUNK
from serin_training.features.words import Words
from serin_training.linear import Linear, TrainingSet, fit_linear
from serin_training.trees import Trees


class LocalEngine:
    """Implements engine.Engine."""

    def extract(self, transactions: Sequence[Transaction], progress: Callable[[int, int], None]) -> list[Words]:
        """Extract the words, part by part."""
        parts = []
        for start in range(0, len(transactions), CHUNK):
            parts.append(Words.of(transactions[start : start + CHUNK]))
            progress(min(start + CHUNK, len(transactions)), len(transactions))
        return parts

    def fit(self, training_sets: Iterable[TrainingSet], *, seed: int) -> Iterator[Linear]:
        """Fit each model when it is requested, so that only one training set is in memory."""
        return (fit_linear(one, seed=seed) for one in training_sets)

    def grow(
        self, numbers: Floats, scores: Floats, labels: Ints, *, seed: int, progress: Callable[[int, int], None]
    ) -> Trees:
        """Grow the trees."""
        return trees.grow(numbers, scores, labels, seed=seed, progress=progress)
