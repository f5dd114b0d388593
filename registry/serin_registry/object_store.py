"""A registry in an object store, through obstore; credentials and endpoints come from the environment.

Every wait is bounded, and a size is checked before the content is requested. `latest` is an object that holds the run's
name. An https:// registry can only be read, and not be listed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import from_url

from serin_core.contract.addresses import ENCODE_PASSWORD, HIDDEN, display_address
from serin_core.model.manifest import LATEST, MANIFEST, RUNS_DIRECTORY, age_order, is_run_name
from serin_core.model.signing import SIGNATURE
from serin_registry.directory import check_run_name, checked_latest
from serin_registry.errors import (
    FileTooLargeError,
    NotInRegistryError,
    RegistryError,
    RegistryUnavailableError,
    RunRefusedError,
    allow_http_variable,
    describe_store_error,
    is_missing_bucket,
)
from serin_registry.limits import MAX_FILE_BYTES, MAX_LATEST_BYTES

_READ_ONLY: Final = ("https", "http")
_ENDPOINTS: Final = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
_SMALL: Final = (LATEST, MANIFEST, SIGNATURE)
_RETRIES: Final = 3
_CONNECT_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 10.0
"""Also the timeout of a request for a small object: a store that is down is noticed by these, which come first."""
_FILE_SECONDS: Final = 60.0
"""Timeout of one attempt to transfer a file."""


class ObjectStoreReader:
    """Implements reader.Reader."""

    is_remote = True

    def __init__(self, uri: str, *, retry_seconds: float = RETRY_SECONDS, file_seconds: float = _FILE_SECONDS) -> None:
        """Keep the address; the store is opened at the first request."""
        self.uri = display_address(uri)
        self._address, self._scheme = uri, uri.partition(":")[0].lower()
        self._retry_seconds, self._file_seconds = retry_seconds, file_seconds
        self._clients: dict[float, Any] = {}

    def runs(self) -> list[str]:
        """Return the names of all runs, oldest first. Raises RegistryError."""
        if self._scheme in _READ_ONLY:
            raise RegistryError(f"the registry {self.uri}: a web server cannot list its runs; name one with --run")
        with self._errors():
            found = {tuple(path.split("/")[-2:]) for path, _ in self._list()}
        return sorted((run for run, file in found if file == MANIFEST and is_run_name(run)), key=age_order)

    def read(self, run: str, file: str, *, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """Return one file of a run, unverified. Raises RegistryError."""
        check_run_name(run)
        content = self._find(f"{run}/{file}", max_bytes=max_bytes)
        if content is None:
            raise NotInRegistryError(f"{file}: there is no such file")
        return content

    def latest(self) -> str | None:
        """Return the run that the object `latest` names, None without that object. Raises RegistryError."""
        try:
            content = self._find(LATEST, max_bytes=MAX_LATEST_BYTES)
        except FileTooLargeError as error:
            raise RunRefusedError(f"the registry {self.uri}: {error}, which is no run") from None
        if content is None:
            return None
        return checked_latest(content.decode(errors="replace").strip(), where=f"the registry {self.uri}: {LATEST}")

    def point_latest(self, run: str) -> None:
        """Let `latest` name a run that is there, in one atomic write. Raises RegistryError."""
        self._check_writable()
        self.read(run, MANIFEST)
        with self._errors():
            obstore.put(self._client(), path_of(LATEST), f"{run}\n".encode())

    def _find(self, name: str, *, max_bytes: int) -> bytes | None:
        with self._errors():
            try:
                response = obstore.get(self._client(for_files=not name.endswith(_SMALL)), path_of(name))
            except (NotFoundError, FileNotFoundError) as error:
                if is_missing_bucket(error):
                    raise
                return None
            size = response.meta["size"]
            if size > max_bytes:
                raise FileTooLargeError(name.rpartition("/")[2], size=size, max_bytes=max_bytes)
            return bytes(response.bytes())

    def _list(self, below: str = "") -> list[tuple[str, float]]:
        """Return the paths of objects, and the Unix time at which each was stored."""
        listed = obstore.list(self._client(), path_of(below).rstrip("/"))
        return [(one["path"], one["last_modified"].timestamp()) for part in listed for one in part]

    def _check_writable(self) -> None:
        if self._scheme in _READ_ONLY:
            raise RegistryError(f"the registry {self.uri}: a web server is read only; use a directory or a bucket")

    def _client(self, *, for_files: bool = False) -> Any:
        timeout = self._file_seconds if for_files else self._retry_seconds
        if timeout not in self._clients:
            self._check_endpoint()
            self._clients[timeout] = _open(self._address, timeout=timeout, retry_seconds=self._retry_seconds)
        return self._clients[timeout]

    def _check_endpoint(self) -> None:
        for name in _ENDPOINTS if self._scheme == "s3" else ():
            # The client would panic at its first request.
            if not os.environ.get(name, "http://").startswith(("http://", "https://")):
                raise RegistryUnavailableError(f"the registry {self.uri}: {name} is not an http:// or https:// address")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the store's errors into RegistryUnavailableError, without their texts, which may hold a password."""
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            is_ambiguous = HIDDEN in self.uri
            reason = ENCODE_PASSWORD if is_ambiguous else describe_store_error(error, scheme=self._scheme)
            raise RegistryUnavailableError(f"the registry {self.uri}: {reason}") from None


def _open(uri: str, *, timeout: float, retry_seconds: float) -> Any:
    # Explicit options replace what the store would read from the environment.
    is_allowed = os.environ.get(allow_http_variable(uri.partition(":")[0].lower()), "").lower() == "true"
    client: Any = {
        "connect_timeout": timedelta(seconds=min(_CONNECT_SECONDS, retry_seconds)),
        "timeout": timedelta(seconds=timeout),
        "allow_http": is_allowed or uri.startswith("http://"),
    }
    retry: Any = {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=retry_seconds)}
    return from_url(uri, client_options=client, retry_config=retry)


def path_of(name: str) -> str:
    """Return the path of a run, of a file `run/file`, or of `latest` below the registry's address."""
    return f"{RUNS_DIRECTORY}/{name}"
