"""Counts of a gate, and its verdict."""

from dataclasses import dataclass
from enum import StrEnum
from math import inf


class Verdict(StrEnum):
    """Verdict on one gate."""

    PASS = "Pass"  # noqa: S105 - a verdict, no password
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"


@dataclass(frozen=True, slots=True)
class Counts:
    """`good` of `total`, both cumulative since the stage began. Raises ValueError unless 0 <= good <= total.

    They may be fractions: counts of users are divided by the number of processes that counted them.
    """

    good: float
    total: float

    def __post_init__(self) -> None:
        if not 0 <= self.good <= self.total < inf:
            raise ValueError(f"{self.good:g} good of {self.total:g} is not a count")

    @property
    def estimate(self) -> float | None:
        """Return the observed rate, None if nothing was counted."""
        return self.good / self.total if self.total else None
