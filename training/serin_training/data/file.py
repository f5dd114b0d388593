"""What every kind of file has in common as a source: its path names it, and it only states categories."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serin_core.contract.addresses import display_address
from serin_training.data.rows import Said
from serin_training.errors import DataError


@dataclass(frozen=True, slots=True)
class File:
    """All of rows.Source but rows(), which each kind of file reads in its own way."""

    path: Path

    @property
    def name(self) -> str:
        """Answer its path."""
        return display_address(str(self.path))

    def fingerprint(self) -> str:
        """Answer its size and when it was changed. Raises DataError."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise DataError(f"{self.name}: {error.strerror or error}; needed is a file that can be read") from None
        return f"{found.st_size} bytes, {found.st_mtime_ns}"

    def feedback(self) -> Iterator[tuple[str, Said]]:
        """Answer nothing: a file only states categories."""
        return iter(())
