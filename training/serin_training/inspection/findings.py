"""One guess about a file, how sure it is, and why."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Certainty(StrEnum):
    """How far the file decides a value."""

    SURE = "sure"
    """No other value reads the file."""
    LIKELY = "likely"
    """Other values read it, too, and fit worse."""
    ASSUMED = "assumed"
    """The file does not say."""
    UNDECIDED = "undecided"
    """Several values fit alike; a user must decide."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The value of one key of a map."""

    key: str
    """Of map.yaml; `columns.timestamp` for a column."""
    value: Any
    """If undecided, the first of `choices`."""
    certainty: Certainty
    why: str
    choices: tuple[Any, ...] = ()
    """All values that fit, if undecided."""

    @property
    def is_undecided(self) -> bool:
        """Return whether a user must decide."""
        return self.certainty is Certainty.UNDECIDED
