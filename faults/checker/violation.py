"""A broken promise."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise that was broken, where and when."""

    promise: str
    """Short name of the promise."""
    at: float
    """Unix time of the record that shows it."""
    message: str
    """What was seen."""

    def __str__(self) -> str:
        return f"{self.promise} at {self.at:.2f}: {self.message}"
