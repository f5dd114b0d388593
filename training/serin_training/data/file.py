"""What all files have in common as data sources."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from serin_core.contract.addresses import display_address
from serin_training.data.rows import Label
from serin_training.errors import DataError


@dataclass(frozen=True, slots=True)
class File:
    """Implements rows.DataSource except rows(), which depends on the file format."""

    path: Path

    @property
    def name(self) -> str:
        """Path of the file, without secrets."""
        return display_address(str(self.path))

    def fingerprint(self) -> str:
        """Return size and modification time. Raises DataError."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise DataError(f"{self.name}: {error.strerror or error}; give a readable file") from None
        return f"{found.st_size} bytes, {found.st_mtime_ns}"

    def feedback(self) -> Iterator[tuple[str, Label]]:
        """Return nothing: a file has categories, but no feedback."""
        return iter(())
