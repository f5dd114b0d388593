"""Event ids: signed tokens that contain what is needed to count feedback, so that no suggestion has to be stored.

Layout: version byte, msgpack array of the fields, first 16 bytes of HMAC-SHA256 over both; base64url without padding.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec

from serin_server.metrics.counters import Arm, StageKey

_VERSION: Final = b"\x01"
_TAG_BYTES: Final = 16
_BLOCK_BYTES: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))
MAX_CHARACTERS: Final = 1024
"""Characters of an event id."""
MAX_AGE: Final = timedelta(days=90)
"""Time from a suggestion to feedback on it; less where feedback is kept for a shorter time."""
_MILLISECONDS: Final = 1000


class EventError(ValueError):
    """An event id that no server of this model issued. The message is one line."""


class EventExpiredError(Exception):
    """An event id that was issued too long ago. The message is one line."""


class Event(msgspec.Struct, frozen=True, array_like=True):
    """One suggestion, as described by its event id."""

    at: int
    """Unix time in milliseconds."""
    user: int
    """64-bit hash of the user, 0 without a user."""
    txn_id: str
    run_id: str
    stage: int
    arm: Arm
    label: str
    """The first suggestion, "" if there was none."""

    @property
    def key(self) -> StageKey:
        """Return the stage in which feedback on this suggestion counts."""
        return StageKey(self.run_id, self.stage)

    @property
    def identity(self) -> bytes:
        """Return 16 bytes that identify this suggestion, independent of the spelling of the event id."""
        return hashlib.blake2b(_ENCODER.encode(self), digest_size=16).digest()


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Event)


def sign(event: Event, key: bytes) -> str:
    """Return the event id of a suggestion."""
    signed = _VERSION + _ENCODER.encode(event)
    return base64.urlsafe_b64encode(signed + _tag(signed, key)).rstrip(b"=").decode()


def verify(event_id: str, keys: Sequence[bytes]) -> Event:
    """Return the content of an event id that was signed with one of `keys`. Raises EventError."""
    if len(event_id) > MAX_CHARACTERS:
        raise EventError("event_id: too long for an id of this model")
    try:
        token = base64.b64decode(event_id + "=" * (-len(event_id) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise EventError("event_id: not base64url; use the event_id of a suggestion") from None
    signed, tag = token[:-_TAG_BYTES], token[-_TAG_BYTES:]
    if not any(hmac.compare_digest(tag, _tag(signed, key)) for key in keys):
        raise EventError("event_id: not signed by this model; use the event_id of a suggestion")
    if signed[:1] != _VERSION:
        raise EventError("event_id: unknown version; it was issued by a newer server")
    try:
        return _DECODER.decode(signed[1:])
    except msgspec.MsgspecError:
        raise EventError("event_id: unknown content; it was issued by a newer server") from None


def check_age(event: Event, *, now: float, retention: timedelta | None) -> None:
    """Raise EventExpiredError for a suggestion that was made too long ago, at the Unix time `now`.

    What `retention` has deleted is not known any more, so that feedback on an older suggestion could count twice.
    """
    age = min(MAX_AGE, retention or MAX_AGE)
    if now - event.at / _MILLISECONDS > age.total_seconds():
        raise EventExpiredError(f"event_id: the suggestion was made more than {age.days} days ago")


def _tag(signed: bytes, key: bytes) -> bytes:
    begun, ended = _keyed_hashes(key)
    inner, outer = begun.copy(), ended.copy()
    inner.update(signed)
    outer.update(inner.digest())
    tag: bytes = outer.digest()[:_TAG_BYTES]
    return tag


@lru_cache(maxsize=16)
def _keyed_hashes(key: bytes) -> tuple[Any, Any]:
    """Return the two hashes of HMAC-SHA256 with the key already added (RFC 2104): half of the cost of one event id."""
    block = (key if len(key) <= _BLOCK_BYTES else hashlib.sha256(key).digest()).ljust(_BLOCK_BYTES, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))
