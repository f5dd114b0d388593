"""What every registry can do.

A run is there once its manifest is: publishing writes the manifest last, so that a crash leaves no half run. A run is
never overwritten and never changed.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from serin_training.errors import SettingsError
from serin_training.registry.directory import DirectoryRegistry
from serin_training.registry.keys import Sign
from serin_training.registry.objects import OBJECT_SCHEMES, ObjectRegistry

_URI: Final = re.compile(r"^[a-z][a-z0-9+.-]*://")


class Registry(Protocol):
    """Where runs are kept. Every method may raise RegistryError."""

    @property
    def uri(self) -> str:
        """Answer where it is, as it was given but for a password."""

    def runs(self) -> list[str]:
        """Answer the names of all runs, oldest first."""

    def read(self, run: str, file: str) -> bytes:
        """Answer one file of a run."""

    def publish(self, run: str, files: Mapping[str, bytes], *, sign: Sign | None = None) -> str:
        """Store a run, its signature if it is to have one, its manifest last, and answer where it is."""

    def latest(self) -> str | None:
        """Answer the run that `latest` names, None if there is none."""

    def point_latest(self, run: str) -> None:
        """Let `latest` name a run, in one step."""

    def delete(self, run: str) -> None:
        """Remove a run, its manifest first."""


def open_registry(uri: str) -> Registry:
    """Open a registry by a path or a URI. Raises SettingsError, RegistryError."""
    if not _URI.match(uri):
        return DirectoryRegistry(Path(uri), uri=uri)
    parts = urlsplit(uri)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise SettingsError(f"registry {uri}: file:// takes an absolute path, as in file:///mnt/registry")
        return DirectoryRegistry(Path(unquote(parts.path)), uri=uri)
    if parts.scheme in OBJECT_SCHEMES:
        return ObjectRegistry(uri)
    known = ", ".join(f"{scheme}://" for scheme in ("file", *OBJECT_SCHEMES))
    raise SettingsError(f"registry {uri}: {parts.scheme}:// is not known; give a directory or one of {known}")
