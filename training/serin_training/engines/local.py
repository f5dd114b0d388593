"""Training on this machine, one task after the other."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from serin_core.model.features import Transaction
from serin_training import trees
from serin_training.arrays import Floats, Ints
from serin_training.features.words import Words
from serin_training.linear import Linear, TrainingSet, fit_linear
from serin_training.trees import Trees

CHUNK = 20_000
"""Rows per part."""


class LocalEngine:
    """This machine. The methods of an engine elsewhere may raise EngineError."""

    def extract(self, transactions: Sequence[Transaction], progress: Callable[[int, int], None]) -> list[Words]:
        """Extract the words of transactions, CHUNK rows per part; `progress` gets the rows done and all rows."""
        parts = []
        for start in range(0, len(transactions), CHUNK):
            parts.append(Words.of(transactions[start : start + CHUNK]))
            progress(min(start + CHUNK, len(transactions)), len(transactions))
        return parts

    def fit(self, training_sets: Iterable[TrainingSet], *, seed: int) -> Iterator[Linear]:
        """Yield one fitted linear model per training set, in order; here one after the other to save memory."""
        return (fit_linear(one, seed=seed) for one in training_sets)

    def grow(
        self, numbers: Floats, scores: Floats, labels: Ints, *, seed: int, progress: Callable[[int, int], None]
    ) -> Trees:
        """Grow the trees as `trees.grow` does."""
        return trees.grow(numbers, scores, labels, seed=seed, progress=progress)
