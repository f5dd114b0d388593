"""Versions of the formats in which one program leaves something for another. docs/contracts.md has the rules.

A document without a version is of version 1. A writer writes the lowest version that holds what it says; a reader
that meets a higher version than it knows refuses the document as a whole, and changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

_T = TypeVar("_T")


class NewerVersionError(ValueError):
    """A document of a version that this program does not know. The message is a sentence, with what to do."""


@dataclass(frozen=True, slots=True)
class Format(Generic[_T]):
    """A format, and what each of its versions was added for."""

    name: str
    """What a user calls a document of this format."""
    needs: tuple[Callable[[_T], bool], ...] = ()
    """For each version from 2 on, whether a document holds what an older reader must not overlook."""

    @property
    def highest(self) -> int:
        """The highest version that this program reads."""
        return 1 + len(self.needs)

    def lowest(self, document: _T) -> int:
        """Return the lowest version that holds what a document says."""
        return max((version for version, is_needed in enumerate(self.needs, 2) if is_needed(document)), default=1)

    def check(self, version: Any) -> int:
        """Return the version of a document. Raises NewerVersionError, and ValueError for one that is none."""
        if type(version) is not int or version < 1:
            raise ValueError("The format version is not a whole number above 0")
        if version > self.highest:
            known = "version 1" if self.highest == 1 else f"versions 1 to {self.highest}"
            raise NewerVersionError(
                f"{self.name} has format version {version}, which a newer version of Serin wrote; this one reads "
                f"{known} and changes nothing: run that version here, too"
            )
        return version


def newer_version(error: ValidationError) -> str:
    """Return the sentence about a document of a newer version, "" if the error is another one."""
    causes = ((one.get("ctx") or {}).get("error") for one in error.errors(include_url=False))
    return next((str(cause) for cause in causes if isinstance(cause, NewerVersionError)), "")
