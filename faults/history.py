"""The history of a storm: everything that was decided, written, served, counted and broken, as JSON lines.

One process records, so that the order of the lines is the order in which it learned of things.
"""

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

Record = dict[str, Any]
"""One line: `t` is Unix time in seconds, `kind` says which other fields there are."""


def _open(file: Path, mode: Literal["rt", "wt"]) -> TextIO:
    if file.suffix == ".gz":
        return gzip.open(file, mode, encoding="utf-8")
    return file.open(mode, encoding="utf-8")


class History:
    """A history that is being written."""

    def __init__(self, file: Path) -> None:
        self._file = _open(file, "wt")

    def add(self, kind: str, **fields: Any) -> None:
        """Append a record of what has just happened."""
        record = {"t": round(time.time(), 4), "kind": kind, **fields}
        self._file.write(json.dumps(record, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(file: Path) -> Iterator[Record]:
    """Yield the records of a file."""
    with _open(file, "rt") as lines:
        for line in lines:
            yield json.loads(line)
