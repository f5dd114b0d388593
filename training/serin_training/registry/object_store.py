"""Writing to a registry in an object store.

Each file of a run is created only where there is none, the manifest last: without it there is no run. What a killed
process left without a manifest is removed by the next publication of any run once it is a day old.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from serin_core.model.manifest import MANIFEST, Manifest, is_run_name
from serin_core.model.signing import SIGNATURE
from serin_registry.errors import RegistryError, RunRefusedError
from serin_registry.limits import ABANDONED_SECONDS, MAX_MANIFEST_BYTES
from serin_registry.object_store import RETRY_SECONDS, ObjectStoreReader, path_of
from serin_training.registry.keys import Sign

_FILE_SECONDS: Final = 120.0
"""Timeout of one attempt to store a file."""


class ObjectRegistry(ObjectStoreReader):
    """Implements writer.Registry."""

    def __init__(self, uri: str, *, now: Callable[[], float] = time.time, retry_seconds: float = RETRY_SECONDS) -> None:
        """Keep the address; the store is opened at the first request."""
        super().__init__(uri, retry_seconds=retry_seconds, file_seconds=_FILE_SECONDS)
        self._now = now

    def publish(self, run: str, files: Mapping[str, bytes], *, sign: Sign | None = None) -> str:
        """Store a run, its manifest last, and return its address. Raises RegistryError."""
        self._check_writable()
        manifest = Manifest.of(run, files).text()
        signature = {} if sign is None else {SIGNATURE: sign(manifest)}
        try:
            self._store(run, {**files, **signature, MANIFEST: manifest})
        except RegistryError as error:
            raise RegistryError(f"{error}; the run {run} was not stored") from None
        return f"{self.uri.rstrip('/')}/{path_of(run)}"

    def delete(self, run: str) -> None:
        """Remove a run, its manifest first: from then on it does not exist. Raises RegistryError."""
        self._check_writable()
        self.read(run, MANIFEST)
        with self._errors():
            obstore.delete(self._client(), path_of(f"{run}/{MANIFEST}"))
            self._remove(path for path, _ in self._list(run))

    def _store(self, run: str, files: Mapping[str, bytes]) -> None:
        with self._errors():
            self._remove_abandoned()
            if self._find(f"{run}/{MANIFEST}", max_bytes=MAX_MANIFEST_BYTES) is not None:
                raise RegistryError(f"the registry {self.uri}: the run {run} exists; it is never overwritten")
            for file, content in files.items():
                self._create(run, file, content)

    def _create(self, run: str, file: str, content: bytes) -> None:
        try:
            obstore.put(self._client(for_files=True), path_of(f"{run}/{file}"), content, mode="create")
        except AlreadyExistsError:
            # A request whose response was lost is repeated, and then finds what it stored itself.
            if not self._holds(f"{run}/{file}", content):
                raise RegistryError(
                    f"the registry {self.uri}: the run {run} exists, or a part of one; it is never overwritten"
                ) from None

    def _holds(self, name: str, content: bytes) -> bool:
        try:
            return self._find(name, max_bytes=len(content)) == content
        except RunRefusedError:
            return False

    def _remove(self, paths: Iterable[str]) -> None:
        found = list(paths)
        if found:
            obstore.delete(self._client(), found)

    def _remove_abandoned(self) -> None:
        stored: dict[str, dict[str, float]] = {}
        for path, at in self._list():
            stored.setdefault(path.rpartition("/")[0], {})[path] = at
        for folder, files in stored.items():
            is_run = is_run_name(folder.rpartition("/")[2])
            is_partial = is_run and f"{folder}/{MANIFEST}" not in files
            if is_partial and self._now() - max(files.values()) > ABANDONED_SECONDS:
                # Without permission to delete, it is left to a process that has it.
                with suppress(BaseError, OSError):
                    self._remove(files)
