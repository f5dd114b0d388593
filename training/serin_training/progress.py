"""Progress of a long operation, as values that a terminal or a log can show."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Part of a phase is done."""

    phase: str
    done: int
    total: int
    """0: not known yet."""
    unit: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A phase has ended, with its result."""

    phase: str
    text: str


ProgressCallback = Callable[[Progress | Finished], None]


def silent(_event: Progress | Finished) -> None:
    """Show nothing."""


def counting(progress: ProgressCallback, phase: str, unit: str) -> Callable[[int, int], None]:
    """Return a function of the pieces done and of all pieces that reports the progress of a phase."""
    return lambda done, total: progress(Progress(phase, done, total, unit))
