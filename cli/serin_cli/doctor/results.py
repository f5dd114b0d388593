"""The result of one check."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """What a check found."""

    OK = "ok"
    WARNING = "warning"
    """It works, but something is likely wrong, or somebody is waited for."""
    PROBLEM = "problem"
    """It does not work."""
    UNKNOWN = "unknown"
    """It could not be read, for example because the user lacks a right."""


INSTALLATION: Final = "installation"
"""Subject of the checks that concern all SuggestionModels."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one check found, and what to do about it."""

    check: str
    outcome: Outcome
    found: str
    remedy: str = ""
    """A command or a field to change; empty if there is nothing to do."""
    subject: str = INSTALLATION
    """namespace/name of the SuggestionModel."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be read."""

    why: str
    """The API server's own words, which name the right that is missing."""

    def result(self, check: str, *, subject: str = INSTALLATION) -> Result:
        """Return the result of a check that needed it."""
        return Result(check, Outcome.UNKNOWN, self.why, subject=subject)
