"""Texts that many objects have in common, kept in memory once."""

import sys
from typing import Final

_IS_FREED: Final = not (3, 12) <= sys.version_info[:3] < (3, 12, 7)
"""Python 3.12.0 to 3.12.6 keep interned texts for ever (https://github.com/python/cpython/issues/113993)."""


def shared(text: str) -> str:
    """Return an equal text, the same object for all that are equal; it goes with the last object that has it."""
    return sys.intern(text) if _IS_FREED else text
