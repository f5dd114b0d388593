"""The population stability index (PSI): how much a distribution differs from a reference over the same bins.

    PSI = sum over bins of (p - q) ln(p / q)

It is symmetric, and 0 for equal distributions. By custom, 0.25 and more is a major change (Siddiqi, Credit Risk
Scorecards, 2006).
"""

from collections.abc import Sequence
from math import log
from typing import Final

MAJOR: Final = 0.25
"""The customary limit of a major change."""


def stability_index(reference: Sequence[float], current: Sequence[float]) -> float:
    """Return the index of two distributions, given as positive shares of the same bins.

    Raises ValueError if their numbers of bins differ, or a share is not positive.
    """
    return sum((p - q) * log(p / q) for p, q in zip(reference, current, strict=True))


def expected_index(bins: int, *counts: float) -> float:
    """Return about what the index is without any change, if the shares are those of this many rows on each side."""
    return (bins - 1) * sum(1 / count for count in counts)
