"""The case of no counts. It is a value like any other: never an exception, never a zero."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unreadable:
    """No counts, and why: one word for conditions, one sentence for people."""

    reason: str
    message: str
