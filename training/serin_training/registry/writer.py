"""What training can do with a registry: all that can be read, publish a run, and delete one.

A run exists once its manifest does: publishing writes the manifest last, so that a crash leaves no partial run. A run
is never overwritten and never changed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from serin_registry.errors import AddressError
from serin_registry.reader import Reader, directory_of
from serin_training.errors import OptionError
from serin_training.registry.directory import DirectoryRegistry
from serin_training.registry.keys import Sign


class Registry(Reader, Protocol):
    """Where runs are stored. Every method may raise RegistryError."""

    def publish(self, run: str, files: Mapping[str, bytes], *, sign: Sign | None = None) -> str:
        """Store a run: its files, its signature if it is to have one, its manifest last. Return where it is."""

    def delete(self, run: str) -> None:
        """Remove a run, its manifest first."""


def open_registry(uri: str) -> Registry:
    """Open a registry by a path or a URI; nothing is read yet. Raises OptionError."""
    path = _directory_of(uri)
    if path is not None:
        return DirectoryRegistry(path, uri=uri)
    # Imported where it is used: a directory does without it.
    from serin_training.registry.object_store import ObjectRegistry  # noqa: PLC0415

    return ObjectRegistry(uri)


def open_existing_registry(uri: str) -> Registry:
    """Open a registry that is read, so that a misspelt directory is no registry without runs.

    Raises OptionError, also if the directory does not exist. A missing bucket is reported when it
    is read.
    """
    path = _directory_of(uri)
    if path is not None and not path.is_dir():
        found = "is not a directory" if path.exists() else "does not exist"
        raise OptionError(f"the registry {uri} {found}; --registry takes the one that `serin train` wrote to")
    return open_registry(uri)


def _directory_of(uri: str) -> Path | None:
    try:
        return directory_of(uri)
    except AddressError as error:
        raise OptionError(str(error)) from None
