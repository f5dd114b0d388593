"""Writing to a registry in a directory: a run is written to a hidden directory, synced, and renamed into place.

A reader sees a complete run or none. A crash leaves at most a hidden directory, which the next publication of any run
removes once it is a day old. A run is never overwritten and never changed.
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

from serin_core.model.manifest import MANIFEST, Manifest
from serin_core.model.signing import SIGNATURE
from serin_registry.directory import LINK_PREFIX, DirectoryReader, sync_directory
from serin_registry.errors import RegistryError
from serin_registry.limits import ABANDONED_SECONDS
from serin_training.registry.keys import Sign

_DIRECTORY_MODE: Final = 0o755
_PARTIAL: Final = ".partial-"


class DirectoryRegistry(DirectoryReader):
    """Implements writer.Registry."""

    def __init__(self, root: Path, *, uri: str, now: Callable[[], float] = time.time) -> None:
        """Keep the path; nothing is made before a run is published."""
        super().__init__(root, uri=uri)
        self._now = now

    def publish(self, run: str, files: Mapping[str, bytes], *, sign: Sign | None = None) -> str:
        """Store a run, its manifest last, and return its directory. Raises RegistryError."""
        with self._errors(f"; the run {run} was not stored"):
            self._runs.mkdir(parents=True, exist_ok=True)
            self._remove_abandoned()
            directory = self._runs / run
            if os.path.lexists(directory):
                raise _exists(directory)
            self._store(directory, files, sign)
        return str(directory)

    def delete(self, run: str) -> None:
        """Remove a run; one rename ends its existence. Raises RegistryError."""
        self.read(run, MANIFEST)
        with self._errors():
            gone = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self._runs))
            (self._runs / run).rename(gone / run)
            sync_directory(self._runs)
            shutil.rmtree(gone)

    def _store(self, directory: Path, files: Mapping[str, bytes], sign: Sign | None) -> None:
        partial = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{directory.name}-", dir=self._runs))
        try:
            for file, content in files.items():
                _write(partial / file, content)
            manifest = Manifest.of(directory.name, files).text()
            if sign is not None:
                _write(partial / SIGNATURE, sign(manifest))
            _write(partial / MANIFEST, manifest)
            # mkdtemp's mode would exclude the servers, which run as another user.
            partial.chmod(_DIRECTORY_MODE)
            sync_directory(partial)
            partial.rename(directory)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, OSError) and error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise _exists(directory) from None
            raise
        sync_directory(self._runs)

    def _remove_abandoned(self) -> None:
        for path in (*self._runs.glob(f"{_PARTIAL}*"), *self._runs.glob(f"{LINK_PREFIX}*")):
            # Another process may rename it in the meantime.
            with suppress(FileNotFoundError):
                if self._now() - path.stat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def _errors(self, consequence: str = "") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            where = error.filename or self._runs
            raise RegistryError(f"{where}: {error.strerror or error}{consequence}") from None


def _exists(directory: Path) -> RegistryError:
    return RegistryError(f"{directory}: a run of this name exists; it is never overwritten")


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
