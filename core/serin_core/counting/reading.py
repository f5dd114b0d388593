"""The case that counts cannot be read: a value, never an exception and never a zero."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why there are no counts: a reason for conditions, and a message."""

    reason: str
    message: str
