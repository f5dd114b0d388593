"""Exponential backoff: pauses that double with each failure."""

from datetime import timedelta
from typing import Final, TypeVar

_MAX_DOUBLINGS: Final = 32
"""Enough for every limit; more would overflow."""
_Length = TypeVar("_Length", float, timedelta)


def backoff(first: _Length, most: _Length, *, failures: int) -> _Length:
    """Return the pause after `failures` in a row: `first` after one, doubled by each further one, at most `most`."""
    doubled: int = 2 ** min(max(failures - 1, 0), _MAX_DOUBLINGS)
    return min(first * doubled, most)
