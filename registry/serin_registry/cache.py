"""Files by their sha256, kept on this machine, so that a run is fetched once and read also while its registry is away.

    <directory>/sha256/<hex>      one file; its time of last use is its mtime
    <directory>/sha256/.<...>     one that is being written

What is answered was hashed at that moment: a damaged entry is dropped and answers nothing. Any number of processes may
share a directory: entries appear by one rename and are never changed. A cache that cannot be used is no fault: it keeps
nothing, and loading goes on without. Never grows beyond its bound for longer than one entry takes to write.
"""

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from serin_core.model.manifest import sha256

MOST_BYTES: Final = 512 << 20
_PARTIAL: Final = "."
_ABANDONED: Final = 3600.0
"""Seconds after which a file that is being written is of no process that still lives."""

_log = logging.getLogger(__name__)


class Cache(Protocol):
    """Keeps files by their hash."""

    def find(self, digest: str, *, most: int) -> bytes | None:
        """Answer the content whose sha256, in hex, this is, None if it is not kept or has more than `most` bytes."""

    def keep(self, content: bytes) -> None:
        """Keep a content."""


class NoCache:
    """Keeps nothing. Implements Cache."""

    def find(self, digest: str, *, most: int) -> bytes | None:
        """Answer None."""
        del digest, most
        return None

    def keep(self, content: bytes) -> None:
        """Do nothing."""
        del content


class DirectoryCache:
    """Keeps the files that were used last in a directory. Implements Cache."""

    def __init__(self, directory: Path, *, most_bytes: int = MOST_BYTES, now: Callable[[], float] = time.time) -> None:
        """Take where, and how many bytes all entries may have; nothing is made before something is kept."""
        self._folder = directory / "sha256"
        self._most = most_bytes
        self._now = now
        self._is_usable = True

    def find(self, digest: str, *, most: int) -> bytes | None:
        """Answer a content that has this hash at this moment, None if none does."""
        path = self._folder / digest
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                content = file.read(most + 1) if size <= most else b""
        except FileNotFoundError:
            return None
        except OSError as error:
            self._tell(error)
            return None
        if sha256(content) != digest:
            _log.warning("an entry of the cache was damaged, it is fetched anew: %s", path)
            self._drop(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path, (self._now(), self._now()))
        return content

    def keep(self, content: bytes) -> None:
        """Keep a content, and drop what was used longest ago where there is no room for both."""
        path = self._folder / sha256(content)
        if len(content) > self._most or path.exists():
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(content))
            self._write(path, content)
        except OSError as error:
            self._tell(error)
        else:
            self._is_usable = True

    def _write(self, path: Path, content: bytes) -> None:
        # Not made durable: what a crash leaves half written is found out by its hash.
        opened, name = tempfile.mkstemp(prefix=_PARTIAL, dir=self._folder)
        beside = Path(name)
        try:
            with open(opened, "wb") as file:  # noqa: PTH123 - a descriptor
                file.write(content)
            os.utime(beside, (self._now(), self._now()))
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def _make_room(self, wanted: int) -> None:
        kept: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir():
            # Another process may drop it at this very moment.
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                if path.name.startswith(_PARTIAL) and self._now() - found.st_mtime > _ABANDONED:
                    path.unlink()
                elif not path.name.startswith(_PARTIAL):
                    kept.append((found.st_mtime, found.st_size, path))
        total = wanted + sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept):
            if total <= self._most:
                break
            self._drop(path)
            total -= size

    def _drop(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        if self._is_usable:
            _log.warning("the cache cannot be used, runs are loaded without it: %s", error)
        self._is_usable = False
