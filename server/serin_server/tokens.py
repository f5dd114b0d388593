"""Bearer tokens and the key of event ids, from mounted files that are read again when they change.

Tokens are compared in constant time and never logged.
"""

import hashlib
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serin_server.settings import SettingsError

TOKEN: Final = "token"  # noqa: S105 - a file's name
ADMIN_TOKEN: Final = "admin-token"  # noqa: S105 - a file's name
EVENT_KEY: Final = "event-key"
_CHECK_SECONDS: Final = 1.0
_KEYS_KEPT: Final = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Contents of the files; empty for a file that does not exist."""

    token: bytes
    admin_token: bytes
    event_key: bytes

    def signing_key(self, uid: str) -> bytes:
        """Return the key of event ids: HMAC-SHA256 of the resource's uid, the same on every pod.

        The secret is event-key, or the tokens if there is none. Without any token event ids can be forged.
        """
        secret = b"\x00".join((b"serin event key", self.event_key or self.token + b"\x00" + self.admin_token))
        return hmac.digest(secret, uid.encode(), hashlib.sha256)


class Tokens:
    """The current secrets. Checks the files at most once a second, and keeps the token if its file disappears."""

    def __init__(self, directory: Path, *, uid: str, allow_anonymous: bool, monotonic: Callable[[], float]) -> None:
        """Read the files. Raises SettingsError without a token, unless `allow_anonymous`."""
        self._directory, self._uid, self._monotonic = directory, uid, monotonic
        self._secrets = _read(directory)
        if not self._secrets.token and not allow_anonymous:
            raise SettingsError(
                f"SERIN_TOKENS_DIR: {directory / TOKEN} is missing or empty; put the bearer token there, "
                "or set SERIN_ALLOW_ANONYMOUS=true to serve requests without a token"
            )
        self._keys: tuple[bytes, ...] = (self._secrets.signing_key(uid),)
        self._checked_at = monotonic()

    def admits(self, presented: str | None) -> bool:
        """Return whether a bearer token is valid for users."""
        return _matches(presented, self._current().token)

    def admits_admin(self, presented: str | None) -> bool:
        """Return whether a bearer token is valid for administrators."""
        secrets = self._current()
        if not secrets.admin_token and secrets.token:
            return False
        return _matches(presented, secrets.admin_token)

    def keys(self) -> tuple[bytes, ...]:
        """Return the keys of event ids: the one to sign with first, then the keys that it replaced in this process."""
        self._current()
        return self._keys

    def _current(self) -> Secrets:
        now = self._monotonic()
        if now - self._checked_at < _CHECK_SECONDS:
            return self._secrets
        self._checked_at = now
        found = _read(self._directory)
        if found == self._secrets:
            return self._secrets
        if self._secrets.token and not found.token:
            return self._secrets
        _log.info("tokens changed")
        self._secrets = found
        key = found.signing_key(self._uid)
        self._keys = (key, *(old for old in self._keys if old != key))[:_KEYS_KEPT]
        return found


def _matches(presented: str | None, expected: bytes) -> bool:
    if not expected:
        return True
    return presented is not None and hmac.compare_digest(presented.encode(), expected)


def _read(directory: Path) -> Secrets:
    def content(name: str) -> bytes:
        try:
            return (directory / name).read_bytes().strip()
        except OSError:
            return b""

    return Secrets(token=content(TOKEN), admin_token=content(ADMIN_TOKEN), event_key=content(EVENT_KEY))
