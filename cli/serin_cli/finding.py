"""One result of `serin lint`."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error makes a manifest unusable; a warning is a likely mistake; a note is information."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of a manifest, or information on it, with the path of the field."""

    path: str
    message: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.severity}: {self.path}: {self.message}"


def path_of(location: Iterable[str | int]) -> str:
    """Return a path as the API server writes it: `spec.gates.custom[2].atLeast`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location if part != "[key]")
    return "".join(parts).removeprefix(".")
