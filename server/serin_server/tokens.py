"""Who may ask: bearer tokens and the key of event ids, read from mounted files and read again when these change.

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
_LOOKS_AFTER: Final = 1.0
_KEYS_KEPT: Final = 4

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the files hold; empty where a file is absent."""

    token: bytes
    admin_token: bytes
    event_key: bytes

    def signing_key(self, uid: str) -> bytes:
        """Answer the key of event ids: event-key, else one derived from the tokens, so that every pod has the same.

        HMAC-SHA256 of the resource's uid. Where nobody needs a token, event ids can be forged as well.
        """
        secret = b"\x00".join((b"serin event key", self.event_key or self.token + b"\x00" + self.admin_token))
        return hmac.digest(secret, uid.encode(), hashlib.sha256)


class Tokens:
    """The secrets in force. Looks at the files at most once a second; keeps the last good ones when they vanish."""

    def __init__(self, directory: Path, *, uid: str, allow_anonymous: bool, monotonic: Callable[[], float]) -> None:
        """Read the files. Raises SettingsError if nobody could ever be let in, or everybody would be."""
        self._directory, self._uid, self._monotonic = directory, uid, monotonic
        self._secrets = _read(directory)
        if not self._secrets.token and not allow_anonymous:
            raise SettingsError(
                f"SERIN_TOKENS_DIR: {directory / TOKEN} is missing or empty; put the bearer token there, "
                "or set SERIN_ALLOW_ANONYMOUS=true to let everybody in"
            )
        self._keys: tuple[bytes, ...] = (self._secrets.signing_key(uid),)
        self._looked = monotonic()

    def admits(self, presented: str | None) -> bool:
        """Answer whether a bearer token lets a user in."""
        return self._is(presented, self._fresh().token)

    def admits_admin(self, presented: str | None) -> bool:
        """Answer whether a bearer token lets an administrator in."""
        secrets = self._fresh()
        if not secrets.admin_token and secrets.token:
            return False
        return self._is(presented, secrets.admin_token)

    def keys(self) -> tuple[bytes, ...]:
        """Answer the keys of event ids, the one to sign with first, then those it replaced in this process."""
        self._fresh()
        return self._keys

    @staticmethod
    def _is(presented: str | None, expected: bytes) -> bool:
        if not expected:
            return True
        return presented is not None and hmac.compare_digest(presented.encode(), expected)

    def _fresh(self) -> Secrets:
        now = self._monotonic()
        if now - self._looked < _LOOKS_AFTER:
            return self._secrets
        self._looked = now
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


def _read(directory: Path) -> Secrets:
    def content(name: str) -> bytes:
        try:
            return (directory / name).read_bytes().strip()
        except OSError:
            return b""

    return Secrets(token=content(TOKEN), admin_token=content(ADMIN_TOKEN), event_key=content(EVENT_KEY))
