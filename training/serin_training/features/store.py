"""A folder of cached features, updated from its sources: only new and changed rows are extracted again.

    index.json           the sources and their fingerprints, the parts, the file of current rows
    live-<n>.npy         every current row: hash of its txn_id, hash of its content, its part, its index there
    part-<n>.parquet     rows and their words (see `table`); never changed once written

A new state is written beside the old one and index.json is replaced last, so that a crash leaves the old state. An
update holds one chunk of rows at a time and 24 bytes per current row. The folder is as private as the transactions.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from serin_core.contract.documents import one_line
from serin_training.data.reading import stream_transactions
from serin_training.data.rows import EVERYTHING, DataSource, LabelledTransaction, Window
from serin_training.errors import DataError
from serin_training.features.table import SCHEMA, rows_of, to_table, words_of
from serin_training.features.words import Corpus, Words, merge

INDEX: Final = "index.json"
CHUNK: Final = 20_000
_RECREATE: Final = "remove the folder and run `serin features` again"
_LIVE: Final = np.dtype([("id", "<u8"), ("content", "<u8"), ("part", "<u4"), ("row", "<u4")])
Live = NDArray[np.void]


class Index(BaseModel):
    """Content of index.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: dict[str, str]
    """Fingerprint of each source by name, in order."""
    parts: tuple[int, ...]
    """Numbers of the parts."""
    live: str
    """Name of the file of current rows."""
    next_part: int
    assumptions: tuple[str, ...] = ()
    """How the sources were read."""


@dataclass(frozen=True, slots=True)
class Update:
    """Result of an update, in rows."""

    new: int = 0
    changed: int = 0
    gone: int = 0
    rows: int = 0
    """Current rows after the update."""

    def __str__(self) -> str:
        """Return the result in one line."""
        if not (self.new or self.changed or self.gone):
            return f"nothing has changed, {self.rows} rows"
        return f"{self.new} new, {self.changed} changed, {self.gone} removed; now {self.rows} rows"


def is_store(path: Path) -> bool:
    """Return whether a path is a folder of features."""
    return (path / INDEX).is_file()


@dataclass(frozen=True, slots=True)
class FeatureStore:
    """A folder of cached features."""

    path: Path

    def update(self, sources: Sequence[DataSource], progress: Callable[[int], None] = lambda _: None) -> Update:
        """Update from the sources; `progress` gets the number of rows read so far. Raises DataError, OSError."""
        fingerprints = {source.name: source.fingerprint() for source in sources}
        before = self._index() if is_store(self.path) else None
        old = np.zeros(0, dtype=_LIVE) if before is None else self._live(before)
        if before is not None and before.sources == fingerprints and all(fingerprints.values()):
            return Update(rows=len(old))
        self.path.mkdir(parents=True, exist_ok=True)
        state = _State(self.path, old, next_part=0 if before is None else before.next_part)
        for chunk in _chunks(stream_transactions(sources)):
            state.add(chunk)
            progress(state.read)
        if not state.read:
            raise DataError(f"{', '.join(fingerprints)}: no rows with a category found; the folder is unchanged")
        live = state.live()
        assumptions = tuple(line for source in sources for line in source.assumptions())
        self._replace(fingerprints, assumptions, live, state.next_part)
        return Update(new=state.new, changed=state.changed, gone=len(old) - state.found, rows=len(live))

    def load(self, window: Window = EVERYTHING) -> tuple[list[LabelledTransaction], Corpus]:
        """Return the rows of a window, oldest first, and their words. Raises DataError."""
        index = self._index()
        live = self._live(index)
        rows: list[LabelledTransaction] = []
        parts: list[Words] = []
        for part in index.parts:
            table = self._part(part).take(np.sort(live["row"][live["part"] == part]))
            rows += rows_of(table)
            parts.append(words_of(table))
        corpus = merge(parts, [row.transaction.user_id for row in rows])
        place = {id(row): at for at, row in enumerate(rows)}
        chosen = window.choose(rows)
        if not chosen:
            raise DataError(f"{self.path}: no rows between --since and --until")
        return chosen, corpus.select(np.array([place[id(row)] for row in chosen], dtype=np.int64))

    def assumptions(self) -> tuple[str, ...]:
        """Return how the sources were read. Raises DataError."""
        return self._index().assumptions

    def _index(self) -> Index:
        try:
            return Index.model_validate_json((self.path / INDEX).read_bytes())
        except OSError as error:
            raise DataError(f"{self.path}: {error.strerror or error}; `serin features` writes it") from None
        except ValidationError as error:
            raise DataError(f"{self.path / INDEX}: {one_line(error)}; {_RECREATE}") from None

    def _live(self, index: Index) -> Live:
        found: Live = self._reading(lambda: np.load(self.path / index.live, allow_pickle=False))
        return found

    def _part(self, part: int) -> Any:
        found = self._reading(lambda: pq.read_table(self.path / _name(part)))
        if set(SCHEMA.names) - set(found.column_names):
            raise DataError(f"{self.path}: an older version wrote it; {_RECREATE}")
        return found

    def _reading(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (OSError, ValueError) as error:
            message = " ".join(str(error).split())[:160]
            raise DataError(f"{self.path}: {message}; {_RECREATE}") from None

    def _replace(self, fingerprints: dict[str, str], assumptions: tuple[str, ...], live: Live, next_part: int) -> None:
        parts = tuple(int(part) for part in np.unique(live["part"]))
        name = f"live-{next_part}-{len(live)}.npy"
        with _whole(self.path / name) as file:
            np.save(file, live, allow_pickle=False)
        index = Index(sources=fingerprints, parts=parts, live=name, next_part=next_part, assumptions=assumptions)
        with _whole(self.path / INDEX) as file:
            file.write(index.model_dump_json(indent=1).encode() + b"\n")
        for path in self.path.iterdir():
            if path.name not in {INDEX, name, *map(_name, parts)}:
                path.unlink()


@dataclass(slots=True)
class _State:
    """State of an update in progress."""

    path: Path
    old: Live
    """Sorted by id."""
    next_part: int
    read: int = 0
    new: int = 0
    changed: int = 0
    found: int = 0
    """Old rows that still exist, changed or not."""
    kept: bytearray = field(default_factory=bytearray)
    """Records of _LIVE in one growing buffer, so that millions of rows are never copied."""

    def add(self, rows: Sequence[LabelledTransaction]) -> None:
        """Keep known rows, extract new and changed ones."""
        self.read += len(rows)
        records = np.zeros(len(rows), dtype=_LIVE)
        records["id"] = [xxhash.xxh3_64_intdigest(row.transaction.txn_id.encode()) for row in rows]
        records["content"] = [xxhash.xxh3_64_intdigest(repr(row).encode()) for row in rows]
        at = np.searchsorted(self.old["id"], records["id"])
        at[at == len(self.old)] = 0
        is_old = self.old["id"][at] == records["id"] if len(self.old) else np.zeros(len(rows), dtype=np.bool_)
        is_same = is_old & (self.old["content"][at] == records["content"]) if len(self.old) else is_old
        self.found += int(is_old.sum())
        self.new += int((~is_old).sum())
        self.changed += int((is_old & ~is_same).sum())
        if is_same.any():
            self.kept += self.old[at[is_same]].tobytes()
        wanted = np.flatnonzero(~is_same)
        if len(wanted):
            self._write([rows[place] for place in wanted.tolist()], records[wanted])

    def _write(self, rows: Sequence[LabelledTransaction], live: Live) -> None:
        with (self.path / _name(self.next_part)).open("wb") as file:
            pq.write_table(to_table(rows), file, compression="zstd")
            os.fsync(file.fileno())
        live["part"], live["row"] = self.next_part, np.arange(len(rows))
        self.kept += live.tobytes()
        self.next_part += 1

    def live(self) -> Live:
        """Return all current rows, sorted by id; no rows can be added afterwards."""
        found: Live = np.frombuffer(self.kept, dtype=_LIVE)
        found.sort(order="id")
        return found


def _chunks(rows: Iterator[LabelledTransaction]) -> Iterator[list[LabelledTransaction]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _name(part: int) -> str:
    return f"part-{part:06d}.parquet"


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears only when it was written completely."""
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
