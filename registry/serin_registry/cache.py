"""Files by their sha256, kept on this machine: a run is fetched once, and can be loaded while its registry is down.

    <directory>/sha256/<hex>      one file; its modification time is when it was last used
    <directory>/sha256/.<...>     a file that is being written

Every content is hashed when it is read: a damaged entry is dropped and not returned. Any number of processes may share
a directory: entries appear by one rename and are never changed. A cache that cannot be used is not an error: it keeps
nothing, and loading goes on without it. It exceeds its size limit only while one entry is written.
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

MAX_BYTES: Final = 512 << 20
_PARTIAL: Final = "."
_ABANDONED_SECONDS: Final = 3600.0
"""Age of a partial file after which its process is considered dead."""

_log = logging.getLogger(__name__)


class Cache(Protocol):
    """Files by their hash."""

    def find(self, digest: str, *, max_bytes: int) -> bytes | None:
        """Return the content with this sha256, in hex; None if it is not kept or has more than `max_bytes`."""

    def keep(self, content: bytes) -> None:
        """Add a content."""


class NoCache:
    """Keeps nothing. Implements Cache."""

    def find(self, digest: str, *, max_bytes: int) -> bytes | None:
        """Return None."""
        del digest, max_bytes
        return None

    def keep(self, content: bytes) -> None:
        """Do nothing."""
        del content


NO_CACHE: Final[Cache] = NoCache()


class DirectoryCache:
    """The most recently used files, in a directory. Implements Cache."""

    def __init__(self, directory: Path, *, max_bytes: int = MAX_BYTES, now: Callable[[], float] = time.time) -> None:
        """Keep at most `max_bytes` over all entries; the directory is made when the first one is added."""
        self._folder = directory / "sha256"
        self._max_bytes = max_bytes
        self._now = now
        self._is_usable = True

    def find(self, digest: str, *, max_bytes: int) -> bytes | None:
        """Return the content that has this hash, verified; None if there is none."""
        path = self._folder / digest
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                content = file.read(max_bytes + 1) if size <= max_bytes else b""
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn_once(error)
            return None
        if sha256(content) != digest:
            _log.warning("a cache entry is damaged and is fetched again: %s", path)
            self._drop(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path, (self._now(), self._now()))
        return content

    def keep(self, content: bytes) -> None:
        """Add a content; the least recently used entries are dropped to make space."""
        path = self._folder / sha256(content)
        if len(content) > self._max_bytes or path.exists():
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_space(len(content))
            self._write(path, content)
        except OSError as error:
            self._warn_once(error)
        else:
            self._is_usable = True

    def _write(self, path: Path, content: bytes) -> None:
        # Not synced to disk: the hash reveals what a crash left half written.
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

    def _make_space(self, needed: int) -> None:
        kept: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir():
            # Another process may drop it in the meantime.
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                if path.name.startswith(_PARTIAL) and self._now() - found.st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
                elif not path.name.startswith(_PARTIAL):
                    kept.append((found.st_mtime, found.st_size, path))
        total = needed + sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept):
            if total <= self._max_bytes:
                break
            self._drop(path)
            total -= size

    def _drop(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self._warn_once(error)

    def _warn_once(self, error: OSError) -> None:
        if self._is_usable:
            _log.warning("the cache cannot be used, runs are loaded without it: %s", error)
        self._is_usable = False
