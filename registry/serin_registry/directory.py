"""A registry in a directory. A volume that does not answer is away; a file that is not there is absent.

Never waits for a pipe or a device that somebody put in a file's place, and never reads more than it was told.
"""

import os
import stat
from pathlib import Path

from serin_core.model.manifest import LATEST, RUNS_DIRECTORY
from serin_server.registry.absent import AbsentError
from serin_server.runs.loaded_runs import RegistryAwayError, RunRefusedError


class Directory:
    """Implements source.Source."""

    is_remote = False

    def __init__(self, root: Path, *, uri: str) -> None:
        self.uri = uri
        self._root = root

    def read(self, run: str, file: str, *, most: int) -> bytes:
        """Answer one file of at most so many bytes."""
        folder = self._root / RUNS_DIRECTORY / run
        if not _is_folder(self._root):
            raise RegistryAwayError(f"the registry {self.uri} is not there")
        if not _is_folder(folder):
            raise RunRefusedError(f"{run} is not in the registry {self.uri}")
        path = folder / file
        try:
            return _content(path, most=most)
        except FileNotFoundError as error:
            raise AbsentError(f"{file}: {error.strerror}") from None
        except OSError as error:
            raise RegistryAwayError(f"{path}: {error.strerror}") from None

    def latest(self) -> str | None:
        """Answer the run that the symbolic link names."""
        try:
            return (self._root / RUNS_DIRECTORY / LATEST).readlink().name
        except OSError:
            return None


def _content(path: Path, *, most: int) -> bytes:
    # Without O_NONBLOCK, opening a pipe would wait for its writer for ever.
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(opened, "rb") as file:  # noqa: PTH123 - a descriptor
        mode = os.fstat(opened).st_mode
        if not stat.S_ISREG(mode):
            raise RunRefusedError(f"{path.name}: it is no file")
        content = file.read(most + 1)
    if len(content) > most:
        raise RunRefusedError(f"{path.name}: it is larger than {most} bytes")
    return content


def _is_folder(path: Path) -> bool:
    # Path.is_dir() would take a volume that does not answer for a folder that is not there.
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise RegistryAwayError(f"{path}: {error.strerror}") from None
