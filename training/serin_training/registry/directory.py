"""A registry in a directory: written beside, made durable, renamed into place; `latest` is a symbolic link.

A reader sees a whole run or none, and a crash leaves at most a hidden directory, which the next publishing of anything
removes once it is a day old. Never overwrites a run, never changes one.
"""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from serin_core.model import manifest as runs
from serin_core.model import signing
from serin_training.errors import RegistryError
from serin_training.registry.keys import Sign

_DIRECTORY_MODE: Final = 0o755
_PARTIAL: Final = ".partial-"
_LINK: Final = ".latest-"
_ABANDONED: Final = 86_400.0
"""Seconds after which a half-written run is of no trainer that still lives."""


class DirectoryRegistry:
    """Implements registry.Registry."""

    def __init__(self, root: Path, *, uri: str, now: Callable[[], float] = time.time) -> None:
        """Remember where; nothing is made before something is published."""
        self.uri = uri
        self._root = root / runs.RUNS_DIRECTORY
        self._now = now

    def runs(self) -> list[str]:
        """Answer the names of all runs, oldest first."""
        with self._complaining():
            names = [path.name for path in self._root.iterdir()] if self._root.exists() else []
            whole = [name for name in names if runs.is_run_name(name) and (self._root / name / runs.MANIFEST).is_file()]
        return sorted(whole, key=runs.age_order)

    def read(self, run: str, file: str) -> bytes:
        """Answer one file of a run."""
        if not runs.is_run_name(run):
            raise RegistryError(f"{run!r} is no name of a run; it would be run_<8 hex>_<unix time>")
        path = self._root / run / file
        try:
            return path.read_bytes()
        except FileNotFoundError:
            missing = path if path.parent.exists() else path.parent
            raise RegistryError(f"{missing}: there is no such {'file' if missing is path else 'run'}") from None
        except OSError as error:
            raise RegistryError(f"{path}: {error.strerror or error}") from None

    def publish(self, run: str, files: Mapping[str, bytes], *, sign: Sign | None = None) -> str:
        """Store a run, its manifest last, and answer where it is."""
        with self._complaining(f"; the run {run} was not stored"):
            self._root.mkdir(parents=True, exist_ok=True)
            self._sweep()
            directory = self._root / run
            if os.path.lexists(directory):
                raise _already(directory)
            self._store(directory, files, sign)
        return str(directory)

    def latest(self) -> str | None:
        """Answer the run that `latest` names, None if there is none."""
        try:
            named = (self._root / runs.LATEST).readlink().name
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RegistryError(f"{self._root / runs.LATEST}: {error.strerror or error}") from None
        if not runs.is_run_name(named):
            raise RegistryError(f"{self._root / runs.LATEST}: it names {named!r}, which is no run")
        return named

    def point_latest(self, run: str) -> None:
        """Let `latest` name a run, in one step."""
        self.read(run, runs.MANIFEST)
        with self._complaining(), tempfile.TemporaryDirectory(prefix=_LINK, dir=self._root) as beside:
            link = Path(beside) / runs.LATEST
            link.symlink_to(run)
            link.replace(self._root / runs.LATEST)
            _sync_directory(self._root)

    def delete(self, run: str) -> None:
        """Remove a run; from the first moment on it is no run any more."""
        self.read(run, runs.MANIFEST)
        with self._complaining():
            gone = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self._root))
            (self._root / run).rename(gone / run)
            _sync_directory(self._root)
            shutil.rmtree(gone)

    def _store(self, directory: Path, files: Mapping[str, bytes], sign: Sign | None) -> None:
        partial = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{directory.name}-", dir=self._root))
        try:
            for file, content in files.items():
                _write(partial / file, content)
            manifest = runs.Manifest.of(directory.name, files).text()
            if sign is not None:
                _write(partial / signing.SIGNATURE, sign(manifest))
            _write(partial / runs.MANIFEST, manifest)
            # mkdtemp's own mode would shut out the servers, which run as another user.
            partial.chmod(_DIRECTORY_MODE)
            _sync_directory(partial)
            partial.rename(directory)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, OSError) and error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise _already(directory) from None
            raise
        _sync_directory(self._root)

    def _sweep(self) -> None:
        for path in (*self._root.glob(f"{_PARTIAL}*"), *self._root.glob(f"{_LINK}*")):
            # Another trainer's may be renamed into its place at this very moment.
            with suppress(FileNotFoundError):
                if self._now() - path.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def _complaining(self, consequence: str = "") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self._root
            raise RegistryError(f"{where}: {error.strerror or error}{consequence}") from None


def _already(directory: Path) -> RegistryError:
    return RegistryError(f"{directory}: there is already a run of this name; it is never overwritten")


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
