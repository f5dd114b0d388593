"""A registry in a directory; `latest` is a symbolic link to a run.

Never waits for a pipe or device that was put in a file's place. A volume that does not respond is unavailable; a file
that does not exist is not in the registry.
"""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from serin_core.contract.addresses import display_address
from serin_core.model.manifest import LATEST, MANIFEST, RUNS_DIRECTORY, RunError, age_order, is_run_name, parse_run_name
from serin_registry.errors import FileTooLargeError, NotInRegistryError, RegistryUnavailableError, RunRefusedError
from serin_registry.limits import MAX_FILE_BYTES

LINK_PREFIX: Final = ".latest-"


class DirectoryReader:
    """Implements reader.Reader."""

    is_remote = False

    def __init__(self, root: Path, *, uri: str) -> None:
        """Keep the path; nothing is read or made yet."""
        self.uri = display_address(uri)
        self._root = root
        self._runs = root / RUNS_DIRECTORY

    def runs(self) -> list[str]:
        """Return the names of all runs, oldest first; none where the directory does not exist."""
        with _unavailable(self._runs):
            try:
                names = [path.name for path in self._runs.iterdir()]
            except FileNotFoundError:
                names = []
            found = [name for name in names if is_run_name(name) and (self._runs / name / MANIFEST).is_file()]
        return sorted(found, key=age_order)

    def read(self, run: str, file: str, *, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """Return one file of a run, unverified. Raises RegistryError."""
        check_run_name(run)
        folder = self._runs / run
        if not _is_folder(self._root):
            raise RegistryUnavailableError(f"the registry {self.uri} does not exist")
        if not _is_folder(folder):
            raise NotInRegistryError(f"{run} is not in the registry {self.uri}")
        try:
            with _unavailable(folder / file):
                return _content(folder / file, max_bytes=max_bytes)
        except FileNotFoundError:
            raise NotInRegistryError(f"{file}: there is no such file", file=file) from None

    def latest(self) -> str | None:
        """Return the run that the symbolic link names, None without a link. Raises RegistryError."""
        link = self._runs / LATEST
        try:
            with _unavailable(link):
                named = link.readlink().name
        except FileNotFoundError:
            return None
        return checked_latest(named, where=str(link))

    def point_latest(self, run: str) -> None:
        """Let `latest` name a run that is there, in one atomic write. Raises RegistryError."""
        self.read(run, MANIFEST)
        with _unavailable(self._runs), tempfile.TemporaryDirectory(prefix=LINK_PREFIX, dir=self._runs) as beside:
            link = Path(beside) / LATEST
            link.symlink_to(run)
            link.replace(self._runs / LATEST)
            sync_directory(self._runs)


def check_run_name(run: str) -> None:
    """Raise NotInRegistryError if this cannot be the name of a run: a path could leave the registry."""
    try:
        parse_run_name(run)
    except RunError as error:
        raise NotInRegistryError(str(error)) from None


def checked_latest(named: str, *, where: str) -> str:
    """Return the run that `latest` names. Raises RunRefusedError if it is the name of no run."""
    if not is_run_name(named):
        raise RunRefusedError(f"{where}: it names {named[:60]!r}, which is no run")
    return named


def sync_directory(path: Path) -> None:
    """Make the entries of a directory durable. Raises OSError."""
    opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _unavailable(path: Path) -> Iterator[None]:
    """Turn every OSError but FileNotFoundError into RegistryUnavailableError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        where = display_address(str(error.filename or path))
        raise RegistryUnavailableError(f"{where}: {error.strerror or type(error).__name__}") from None


def _content(path: Path, *, max_bytes: int) -> bytes:
    # Without O_NONBLOCK, opening a pipe would wait for its writer forever.
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(opened, "rb") as file:  # noqa: PTH123 - a descriptor
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode):
            raise RunRefusedError(f"{path.name}: it is not a regular file")
        content = file.read(max_bytes + 1) if found.st_size <= max_bytes else b""
    if max(found.st_size, len(content)) > max_bytes:
        raise FileTooLargeError(path.name, size=max(found.st_size, len(content)), max_bytes=max_bytes)
    return content


def _is_folder(path: Path) -> bool:
    # Path.is_dir() would report a volume that does not respond as a missing folder.
    try:
        with _unavailable(path):
            return stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return False
    except RegistryUnavailableError as error:
        raise error from None
