"""A registry in an object store, through obstore; credentials and endpoints come from the environment.

Every wait is bounded. A size is looked at before the content is asked for. Never lists, never writes, and never tells
an address that may hold a password.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import from_url

from serin_core.model.manifest import LATEST, RUNS_DIRECTORY, is_run_name
from serin_server.registry.absent import AbsentError
from serin_server.registry.complaints import means_no_bucket, shown, tell
from serin_server.runs.loaded_runs import RegistryAwayError, RunRefusedError

_ENDPOINTS: Final = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
_LONGEST_NAME: Final = 64
_RETRIES: Final = 3
_CONNECT: Final = 5.0
_PATIENCE: Final = 10.0
"""Seconds in which a request is tried again."""
_FOR_A_FILE: Final = 60.0
"""Seconds for one try, content included."""


class Objects:
    """Implements source.Source."""

    is_remote = True

    def __init__(self, uri: str, *, patience: float = _PATIENCE, for_a_file: float = _FOR_A_FILE) -> None:
        """Remember where; nothing is opened before something is asked."""
        self.uri = shown(uri)
        self._address, self._scheme = uri, uri.partition(":")[0].lower()
        self._patience, self._for_a_file = patience, for_a_file
        self._client: Any = None

    def read(self, run: str, file: str, *, most: int) -> bytes:
        """Answer one file of at most so many bytes."""
        try:
            return self._content(f"{run}/{file}", most=most)
        except _TooLargeError as error:
            raise RunRefusedError(f"{file}: {error}") from None

    def latest(self) -> str | None:
        """Answer the run that the object `latest` names."""
        try:
            named = self._content(LATEST, most=_LONGEST_NAME).decode(errors="replace").strip()
        except (AbsentError, _TooLargeError):
            return None
        return named if is_run_name(named) else None

    def _content(self, name: str, *, most: int) -> bytes:
        with self._complaining():
            try:
                answer = obstore.get(self._opened(), f"{RUNS_DIRECTORY}/{name}")
            except (NotFoundError, FileNotFoundError) as error:
                if means_no_bucket(error):
                    raise
            else:
                size = answer.meta["size"]
                if size > most:
                    raise _TooLargeError(f"it has {size} bytes, more than the {most} that are expected")
                return bytes(answer.bytes())
        raise AbsentError(f"{name.rpartition('/')[2]}: it is not in the registry {self.uri}")

    def _opened(self) -> Any:
        if self._client is None:
            for name in _ENDPOINTS if self._scheme == "s3" else ():
                # The client would panic at its first request.
                if not os.environ.get(name, "http://").startswith(("http://", "https://")):
                    raise RegistryAwayError(f"the registry {self.uri}: {name} is no http:// or https:// address")
            self._client = _open(self._address, timeout=self._for_a_file, patience=self._patience)
        return self._client

    @contextmanager
    def _complaining(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            raise RegistryAwayError(f"the registry {self.uri}: {tell(error, scheme=self._scheme)}") from None


class _TooLargeError(Exception):
    """An object with more bytes than anybody would read."""


def _open(uri: str, *, timeout: float, patience: float) -> Any:
    # Options of our own replace what the store would read of the environment.
    is_plain = uri.startswith("http://") or os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"
    client: Any = {
        "connect_timeout": timedelta(seconds=min(_CONNECT, patience)),
        "timeout": timedelta(seconds=timeout),
        "allow_http": is_plain,
    }
    retry: Any = {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=patience)}
    return from_url(uri, client_options=client, retry_config=retry)
