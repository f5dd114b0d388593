"""The interface of the machines that training runs on: three tasks with the same result everywhere."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from serin_core.model.features import Transaction
from serin_training.arrays import Floats, Ints
from serin_training.features.words import Words
from serin_training.linear import Linear, TrainingSet
from serin_training.trees import Trees

CHUNK = 20_000
"""Rows per part."""


class Engine(Protocol):
    """A place to train. Every method may raise EngineError."""

    def extract(self, transactions: Sequence[Transaction], progress: Callable[[int, int], None]) -> list[Words]:
        """Extract the words of transactions, CHUNK rows per part; `progress` gets the rows done and all rows."""

    def fit(self, training_sets: Iterable[TrainingSet], *, seed: int) -> Iterable[Linear]:
        """Return one fitted linear model per training set, in order."""

    def grow(
        self, numbers: Floats, scores: Floats, labels: Ints, *, seed: int, progress: Callable[[int, int], None]
    ) -> Trees:
        """Grow the trees as `trees.grow` does."""
