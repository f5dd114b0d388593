"""A registry in an object store, through obstore; credentials and endpoints come from the environment.

A run's files are put under its name, each only where there is none, the manifest last: without it there is no run. What
a killed trainer left without a manifest, the next publishing of anything removes once it is a day old. `latest` is an
object that holds the run's name. An https:// registry can be read, not listed and not written.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import from_url

from serin_core.model import manifest as runs
from serin_core.model import signing
from serin_training.errors import RegistryError
from serin_training.registry import complaints
from serin_training.registry.keys import Sign

OBJECT_SCHEMES: Final = ("s3", "gs", "az", "https", "http")
_READ_ONLY: Final = ("https", "http")
_ENDPOINTS: Final = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
_SMALL: Final = (runs.LATEST, runs.MANIFEST, signing.SIGNATURE)
_RETRIES: Final = 3
_PATIENCE: Final = 10.0
"""Seconds for a request without a file in it, and for all tries of it but the last."""
_FOR_A_FILE: Final = 120.0
"""Seconds for a request with a file in it."""
_ABANDONED: Final = 86_400.0
"""Seconds after which a half-written run is of no trainer that still lives."""


class ObjectRegistry:
    """Implements registry.Registry."""

    def __init__(self, uri: str, *, now: Callable[[], float] = time.time, patience: float = _PATIENCE) -> None:
        """Open the store; nothing is asked of it yet. Raises RegistryError."""
        self.uri = complaints.shown(uri)
        self._scheme = uri.partition(":")[0]
        self._is_read_only = self._scheme in _READ_ONLY
        self._now = now
        self._check_endpoint()
        with self._complaining():
            # Questions come first and are small: a store that is dead is found by them, within seconds.
            self._client = _open(uri, timeout=patience, patience=patience)
            self._client_for_files = _open(uri, timeout=_FOR_A_FILE, patience=patience)

    def runs(self) -> list[str]:
        """Answer the names of all runs, oldest first."""
        if self._is_read_only:
            raise RegistryError(f"{self.uri}: a web server cannot list its runs; name one with --run")
        with self._complaining():
            found = {tuple(path.split("/")[-2:]) for path, _ in self._list()}
        return sorted(
            (run for run, file in found if file == runs.MANIFEST and runs.is_run_name(run)), key=runs.age_order
        )

    def read(self, run: str, file: str) -> bytes:
        """Answer one file of a run."""
        if not runs.is_run_name(run):
            raise RegistryError(f"{run!r} is no name of a run; it would be run_<8 hex>_<unix time>")
        content = self._find(f"{run}/{file}")
        if content is None:
            raise RegistryError(f"{self.uri}: run {run} has no {file}, or there is no such run")
        return content

    def publish(self, run: str, files: Mapping[str, bytes], *, sign: Sign | None = None) -> str:
        """Store a run, its manifest last, and answer where it is."""
        self._check_writable()
        manifest = runs.Manifest.of(run, files).text()
        signature = {} if sign is None else {signing.SIGNATURE: sign(manifest)}
        try:
            self._store(run, {**files, **signature, runs.MANIFEST: manifest})
        except RegistryError as error:
            raise RegistryError(f"{error}; the run {run} was not stored") from None
        return f"{self.uri.rstrip('/')}/{_path(run)}"

    def latest(self) -> str | None:
        """Answer the run that `latest` names, None if there is none."""
        content = self._find(runs.LATEST)
        if content is None:
            return None
        named = content.decode(errors="replace").strip()
        if not runs.is_run_name(named):
            raise RegistryError(f"{self.uri}: {runs.LATEST} names {named[:60]!r}, which is no run")
        return named

    def point_latest(self, run: str) -> None:
        """Let `latest` name a run, in one step."""
        self._check_writable()
        self.read(run, runs.MANIFEST)
        with self._complaining():
            obstore.put(self._client, _path(runs.LATEST), f"{run}\n".encode())

    def delete(self, run: str) -> None:
        """Remove a run, its manifest first: from then on it is no run any more."""
        self._check_writable()
        self.read(run, runs.MANIFEST)
        with self._complaining():
            obstore.delete(self._client, _path(f"{run}/{runs.MANIFEST}"))
            self._remove(path for path, _ in self._list(run))

    def _store(self, run: str, files: Mapping[str, bytes]) -> None:
        with self._complaining():
            self._sweep()
            if self._find(f"{run}/{runs.MANIFEST}") is not None:
                raise RegistryError(f"{self.uri}: there is already a run {run}; it is never overwritten")
            for file, content in files.items():
                self._put(run, file, content)

    def _put(self, run: str, file: str, content: bytes) -> None:
        try:
            obstore.put(self._client_for_files, _path(f"{run}/{file}"), content, mode="create")
        except AlreadyExistsError:
            # A request whose answer was lost is sent again, and then finds what it stored itself.
            if self._find(f"{run}/{file}") != content:
                raise RegistryError(
                    f"{self.uri}: there is already a run {run}, or a part of one; it is never overwritten"
                ) from None

    def _find(self, name: str) -> bytes | None:
        client = self._client if name.endswith(_SMALL) else self._client_for_files
        with self._complaining():
            try:
                return bytes(obstore.get(client, _path(name)).bytes())
            except (NotFoundError, FileNotFoundError) as error:
                if complaints.means_no_bucket(error):
                    raise
        return None

    def _list(self, below: str = "") -> list[tuple[str, float]]:
        """Answer paths, and when each was stored."""
        listed = obstore.list(self._client, _path(below).rstrip("/"))
        return [(one["path"], one["last_modified"].timestamp()) for part in listed for one in part]

    def _remove(self, paths: Iterable[str]) -> None:
        named = list(paths)
        if named:
            obstore.delete(self._client, named)

    def _sweep(self) -> None:
        stored: dict[str, dict[str, float]] = {}
        for path, at in self._list():
            stored.setdefault(path.rpartition("/")[0], {})[path] = at
        for folder, files in stored.items():
            is_run = runs.is_run_name(folder.rpartition("/")[2])
            if is_run and f"{folder}/{runs.MANIFEST}" not in files and self._now() - max(files.values()) > _ABANDONED:
                # Who may not remove leaves it to one who may.
                with suppress(BaseError, OSError):
                    self._remove(files)

    def _check_writable(self) -> None:
        if self._is_read_only:
            raise RegistryError(f"{self.uri}: a web server can be read only; give a directory or a bucket")

    def _check_endpoint(self) -> None:
        for name in _ENDPOINTS if self._scheme == "s3" else ():
            # The client would panic at its first request.
            if not os.environ.get(name, "http://").startswith(("http://", "https://")):
                raise RegistryError(
                    f"{self.uri}: {name} is {os.environ[name]!r}; it would be http:// or https:// and a host"
                )

    @contextmanager
    def _complaining(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            raise RegistryError(f"{self.uri}: {complaints.tell(error, scheme=self._scheme)}") from None


def _open(uri: str, *, timeout: float, patience: float) -> Any:
    # Options of our own replace what the store would read of the environment.
    is_plain = uri.startswith("http://") or os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"
    client: Any = {
        "connect_timeout": timedelta(seconds=min(5.0, patience)),
        "timeout": timedelta(seconds=timeout),
        "allow_http": is_plain,
    }
    retry: Any = {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=patience)}
    return from_url(uri, client_options=client, retry_config=retry)


def _path(name: str) -> str:
    return f"{runs.RUNS_DIRECTORY}/{name}"
