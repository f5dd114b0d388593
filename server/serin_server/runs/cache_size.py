"""How many results a run's cache holds. Each has a number for every class, so with many classes it holds fewer."""

from typing import Final

MAX_NUMBERS: Final = 1 << 19
"""In one cache: 4 MB. Up to 64 classes, 8,192 results have room."""


def entries(limit: int, *, classes: int) -> int:
    """Return the number of results, at most `limit`."""
    return max(1, min(limit, MAX_NUMBERS // max(1, classes)))
