"""Bearer tokens and the key of event ids, from mounted files that are read again when they change.

Each file may have several lines: while a token is exchanged, the old and the new one are valid, on every pod.
Tokens are compared in constant time and never logged.
"""

import hashlib
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from serin_server.settings import SettingsError

TOKEN: Final = "token"  # noqa: S105 - a file's name
ADMIN_TOKEN: Final = "admin-token"  # noqa: S105 - a file's name
EVENT_KEY: Final = "event-key"
_CHECK_SECONDS: Final = 1.0
_KEYS_KEPT: Final = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Lines of the files; none for a file that does not exist."""

    tokens: tuple[bytes, ...]
    admin_tokens: tuple[bytes, ...]
    event_keys: tuple[bytes, ...]

    def keys(self, uid: str) -> tuple[bytes, ...]:
        """Return the keys of event ids: HMAC-SHA256 of the resource's uid, the same on every pod; the first one signs.

        The secret is event-key, or the tokens if there is none. Without any token event ids can be forged.
        """
        pairs = product(self.tokens or (b"",), self.admin_tokens or (b"",))
        given = self.event_keys or tuple(b"\x00".join(pair) for pair in pairs)
        return tuple(hmac.digest(b"serin event key\x00" + one, uid.encode(), hashlib.sha256) for one in given)


class Tokens:
    """The current secrets. Checks the files at most once a second, and keeps the token if its file disappears."""

    def __init__(self, directory: Path, *, uid: str, allow_anonymous: bool, monotonic: Callable[[], float]) -> None:
        """Read the files. Raises SettingsError without a token, unless `allow_anonymous`."""
        self._directory, self._uid, self._monotonic = directory, uid, monotonic
        self._secrets = _read(directory)
        if not self._secrets.tokens and not allow_anonymous:
            raise SettingsError(
                f"SERIN_TOKENS_DIR: {directory / TOKEN} is missing or empty; put the bearer token there, "
                "or set SERIN_ALLOW_ANONYMOUS=true to serve requests without a token"
            )
        self._keys = self._secrets.keys(uid)
        self._checked_at = monotonic()

    def admits(self, presented: str | None) -> bool:
        """Return whether a bearer token is valid for users."""
        return _matches(presented, self._current().tokens)

    def admits_admin(self, presented: str | None) -> bool:
        """Return whether a bearer token is valid for administrators."""
        secrets = self._current()
        if not secrets.admin_tokens and secrets.tokens:
            return False
        return _matches(presented, secrets.admin_tokens)

    def keys(self) -> tuple[bytes, ...]:
        """Return the keys of event ids: the one to sign with, the others of the files, and former ones."""
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
        if self._secrets.tokens and not found.tokens:
            return self._secrets
        _log.info("tokens changed")
        self._secrets = found
        keys = found.keys(self._uid)
        self._keys = (*keys, *(old for old in self._keys if old not in keys))[:_KEYS_KEPT]
        return found


def _matches(presented: str | None, valid: tuple[bytes, ...]) -> bool:
    if not valid:
        return True
    # All are compared, so that the time shows nothing about which one matched.
    return presented is not None and sum(hmac.compare_digest(presented.encode(), one) for one in valid) > 0


def _read(directory: Path) -> Secrets:
    def lines(name: str) -> tuple[bytes, ...]:
        try:
            content = (directory / name).read_bytes()
        except OSError:
            return ()
        return tuple(line.strip() for line in content.splitlines() if line.strip())

    return Secrets(tokens=lines(TOKEN), admin_tokens=lines(ADMIN_TOKEN), event_keys=lines(EVENT_KEY))
