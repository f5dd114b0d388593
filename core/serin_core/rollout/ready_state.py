"""A state of a resource: reason and message of its condition Ready, and what follows for the other conditions."""

from dataclasses import dataclass
from typing import Literal

Truth = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class ReadyReason:
    """The state of a resource: reason and message of Ready, and what follows for Reconciling and Stalled."""

    reason: str
    message: str
    ready: Truth = "Unknown"
    is_reconciling: bool = True
    is_stalled: bool = False


def stalled(reason: str, message: str) -> ReadyReason:
    """Return a state that only a user can end."""
    return ReadyReason(reason, message, ready="False", is_reconciling=False, is_stalled=True)
