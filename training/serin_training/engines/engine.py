"""What a training asks of the machines it runs on: three kinds of work that are the same wherever they are done."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from serin_core.model.features import Transaction
from serin_training.features.words import Floats, Ints, Words
from serin_training.linear import Linear, TrainingSet
from serin_training.trees import Trees

CHUNK = 20_000
"""Rows of one part."""


class Engine(Protocol):
    """Somewhere to train. Every method may raise EngineError."""

    def look_up(self, transactions: Sequence[Transaction], tell: Callable[[int, int], None]) -> list[Words]:
        """Look up the words of transactions, CHUNK rows a part; `tell` gets rows done, of all."""

    def fit(self, lessons: Iterable[TrainingSet], *, seed: int) -> Iterable[Linear]:
        """Fit one linear model a lesson, and answer them in order."""

    def grow(
        self, numbers: Floats, scores: Floats, labels: Ints, *, seed: int, tell: Callable[[int, int], None]
    ) -> Trees:
        """Grow the trees, as trees.grow."""
