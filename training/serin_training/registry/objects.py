"""A registry in an object store, through obstore; credentials and endpoints come from the environment.

A run's files are put under its name, the manifest last and only where there is none: without it there is no run.
`latest` is an object that holds the run's name. An https:// registry can be read, not listed and not written.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import from_url

from serin_core import runs
from serin_training.errors import RegistryError

OBJECT_SCHEMES: Final = ("s3", "gs", "az", "https", "http")
_READ_ONLY: Final = ("https", "http")
_CLIENT: Final[Any] = {"connect_timeout": "5s", "timeout": "120s"}
_RETRY: Final[Any] = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}


class ObjectRegistry:
    """Implements registry.Registry."""

    def __init__(self, uri: str) -> None:
        """Open the store; nothing is asked of it yet. Raises RegistryError."""
        self.uri = uri
        self._is_read_only = uri.partition(":")[0] in _READ_ONLY
        with self._complaining():
            # Options of our own replace what the store would read of the environment.
            plain = uri.startswith("http://") or os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"
            options: Any = {**_CLIENT, "allow_http": plain}
            self._store = from_url(uri, client_options=options, retry_config=_RETRY)

    def runs(self) -> list[str]:
        """Answer the names of all runs, oldest first."""
        if self._is_read_only:
            raise RegistryError(f"{self.uri}: a web server cannot list its runs; name one with --run")
        with self._complaining():
            objects = [one for part in obstore.list(self._store, runs.RUNS_DIRECTORY) for one in part]
        found = [one["path"].split("/")[-2:] for one in objects]
        return sorted(
            (parts[0] for parts in found if parts[-1] == runs.MANIFEST and runs.is_run_name(parts[0])),
            key=runs.age_order,
        )

    def read(self, run: str, file: str) -> bytes:
        """Answer one file of a run."""
        if not runs.is_run_name(run):
            raise RegistryError(f"{run!r} is no name of a run; it would be run_<8 hex>_<unix time>")
        try:
            return self._get(f"{run}/{file}")
        except FileNotFoundError:
            raise RegistryError(f"{self.uri}: run {run} has no {file}, or there is no such run") from None

    def publish(self, run: str, files: Mapping[str, bytes]) -> str:
        """Store a run, its manifest last, and answer where it is."""
        self._check_writable()
        with self._complaining(f"; the run {run} was not stored"):
            manifest = {runs.MANIFEST: runs.Manifest.of(run, files).text()}
            try:
                for file, content in (dict(files) | manifest).items():
                    obstore.put(self._store, _path(f"{run}/{file}"), content, mode="create")
            except AlreadyExistsError:
                raise RegistryError(f"{self.uri}: there is already a run {run}; it is never overwritten") from None
        return f"{self.uri.rstrip('/')}/{_path(run)}"

    def latest(self) -> str | None:
        """Answer the run that `latest` names, None if there is none."""
        try:
            return self._get(runs.LATEST).decode().strip()
        except FileNotFoundError:
            return None

    def point_latest(self, run: str) -> None:
        """Let `latest` name a run, in one step."""
        self._check_writable()
        self.read(run, runs.MANIFEST)
        with self._complaining():
            obstore.put(self._store, _path(runs.LATEST), f"{run}\n".encode())

    def delete(self, run: str) -> None:
        """Remove a run, its manifest first: from then on it is no run any more."""
        self._check_writable()
        self.read(run, runs.MANIFEST)
        with self._complaining():
            obstore.delete(self._store, _path(f"{run}/{runs.MANIFEST}"))
            rest = [one["path"] for part in obstore.list(self._store, _path(run)) for one in part]
            obstore.delete(self._store, rest)

    def _get(self, name: str) -> bytes:
        with self._complaining():
            try:
                return bytes(obstore.get(self._store, _path(name)).bytes())
            except (NotFoundError, FileNotFoundError):
                pass
        raise FileNotFoundError(name)

    def _check_writable(self) -> None:
        if self._is_read_only:
            raise RegistryError(f"{self.uri}: a web server can be read only; give a directory or a bucket")

    @contextmanager
    def _complaining(self, consequence: str = "") -> Iterator[None]:
        try:
            yield
        except (NotFoundError, FileNotFoundError):
            raise RegistryError(f"{self.uri}: there is no such bucket, or nothing in it{consequence}") from None
        except (BaseError, OSError) as error:
            told = " ".join(str(error).split("Debug source:")[0].split())[:300]
            raise RegistryError(f"{self.uri}: {told}{consequence}") from None


def _path(name: str) -> str:
    return f"{runs.RUNS_DIRECTORY}/{name}"
