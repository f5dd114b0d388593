"""What can be read from every registry: runs, their files, and the run that `latest` names."""

import re
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote

from serin_registry.directory import DirectoryReader
from serin_registry.errors import AddressError
from serin_registry.limits import MAX_FILE_BYTES

_OBJECT_SCHEMES: Final = ("s3", "gs", "az", "https", "http")
_URI: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


class Reader(Protocol):
    """A registry. Its methods block; every one may raise RegistryUnavailableError."""

    @property
    def uri(self) -> str:
        """Return its address without secrets."""

    @property
    def is_remote(self) -> bool:
        """Return whether reading costs requests, so that files are worth caching and polling is slow."""

    def runs(self) -> list[str]:
        """Return the names of all runs, oldest first. A run without manifest is none."""

    def read(self, run: str, file: str, *, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """Return one file of a run, unverified. Raises NotInRegistryError, RunRefusedError."""

    def latest(self) -> str | None:
        """Return the run that `latest` names, None without a `latest`. Raises RunRefusedError if it names no run."""

    def point_latest(self, run: str) -> None:
        """Let `latest` name a run that is there, in one atomic write. Raises RegistryError."""


def open_reader(uri: str) -> Reader:
    """Open a registry by a path or a URI; nothing is read yet. Raises AddressError."""
    path = directory_of(uri)
    if path is not None:
        return DirectoryReader(path, uri=uri)
    # Imported where it is used: 4 MB of a process that reads a directory.
    from serin_registry.object_store import ObjectStoreReader  # noqa: PLC0415

    return ObjectStoreReader(uri)


def directory_of(uri: str) -> Path | None:
    """Return the directory of a path or file:// URI, None for an object store. Raises AddressError for other kinds."""
    if not _URI.match(uri):
        return Path(uri)
    scheme, _, rest = uri.partition("://")
    if scheme.lower() in _OBJECT_SCHEMES:
        return None
    if scheme.lower() != "file":
        known = ", ".join(f"{one}://" for one in ("file", *_OBJECT_SCHEMES))
        raise AddressError(f"registry: {scheme}:// is not known; use a directory or one of {known}")
    path = re.split(r"[?#]", rest)[0].removeprefix("localhost")
    if not path.startswith("/"):
        raise AddressError("registry: file:// takes an absolute path, as in file:///mnt/registry")
    return Path(unquote(path))
