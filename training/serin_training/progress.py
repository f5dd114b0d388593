"""How far a long work has come: values that a phase hands out, for a terminal or a log to show."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Something was done in a phase."""

    phase: str
    done: int
    of: int
    """0: nobody knows yet."""
    unit: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A phase is over, and what came of it."""

    phase: str
    text: str


ProgressCallback = Callable[[Progress | Finished], None]


def silent(_told: Progress | Finished) -> None:
    """Tell nobody."""


def counting(tell: ProgressCallback, phase: str, unit: str) -> Callable[[int, int], None]:
    """Answer what takes how much is done, of how much."""
    return lambda done, of: tell(Progress(phase, done, of, unit))
