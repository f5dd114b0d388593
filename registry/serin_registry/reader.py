"""What every registry can be asked for: one file of a run, and the run that `latest` names. Nothing is ever written.

AbsentError         the registry is there, and has no such file; asking again gives the same answer
RegistryAwayError   the registry could not be read, which may pass (see runs)
RunRefusedError     the file is there and must not be read: it is too large, or no file (see runs)
"""

import re
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from serin_server.registry.directory import Directory
from serin_server.settings import SettingsError

_SCHEMES: Final = ("s3", "gs", "az", "https", "http")
_URI: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


class Source(Protocol):
    """A registry, to be read in a thread."""

    @property
    def uri(self) -> str:
        """Answer where it is, without what may be secret."""

    @property
    def is_remote(self) -> bool:
        """Answer whether reading it costs requests: then files are worth keeping, and it is not asked every second."""

    def read(self, run: str, file: str, *, most: int) -> bytes:
        """Answer one file of at most so many bytes. Raises AbsentError, RegistryAwayError, RunRefusedError."""

    def latest(self) -> str | None:
        """Answer the run that `latest` names, None while it names none. Raises RegistryAwayError."""


def open_source(uri: str) -> Source:
    """Open a registry by a path or a URI; nothing is asked of it yet. Raises SettingsError."""
    if not _URI.match(uri):
        return Directory(Path(uri), uri=uri)
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Directory(Path(unquote(parts.path)), uri=uri)
    if parts.scheme in _SCHEMES:
        # Loaded where it is used: 4 MB of a pod that reads a directory.
        from serin_server.registry.objects import Objects  # noqa: PLC0415

        return Objects(uri)
    known = ", ".join(f"{scheme}://" for scheme in ("file", *_SCHEMES))
    if parts.scheme == "file":
        raise SettingsError("registry: file:// takes an absolute path, as in file:///mnt/registry")
    raise SettingsError(f"registry: {parts.scheme}:// is not known; give a directory or one of {known}")
