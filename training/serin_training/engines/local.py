"""This machine, one work after the other."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from serin_core.model.features import Transaction
from serin_training import trees
from serin_training.engines.engine import CHUNK
from serin_training.features.words import Floats, Ints, Words
from serin_training.linear import Linear, TrainingSet, fit_linear
from serin_training.trees import Trees


class LocalEngine:
    """Implements engine.Engine."""

    def look_up(self, transactions: Sequence[Transaction], tell: Callable[[int, int], None]) -> list[Words]:
        """Look up the words, part by part."""
        parts = []
        for start in range(0, len(transactions), CHUNK):
            parts.append(Words.of(transactions[start : start + CHUNK]))
            tell(min(start + CHUNK, len(transactions)), len(transactions))
        return parts

    def fit(self, lessons: Iterable[TrainingSet], *, seed: int) -> Iterator[Linear]:
        """Fit one lesson when its model is asked for, so that only one is in memory."""
        return (fit_linear(lesson, seed=seed) for lesson in lessons)

    def grow(
        self, numbers: Floats, scores: Floats, labels: Ints, *, seed: int, tell: Callable[[int, int], None]
    ) -> Trees:
        """Grow the trees."""
        return trees.grow(numbers, scores, labels, seed=seed, tell=tell)
