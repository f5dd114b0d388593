"""Event ids: signed tokens that carry what feedback needs to be counted, so that no record of an answer is kept.

Layout: version byte, msgpack array of the fields, first 16 bytes of HMAC-SHA256 over both; base64url without padding.
Never tells whether a signature was nearly right.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from serin_server.metrics.counters import Arm, StageKey

_VERSION: Final = b"\x01"
_TAG_BYTES: Final = 16
_BLOCK_BYTES: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))
LONGEST: Final = 1024
"""Characters of an event id."""


class EventError(ValueError):
    """An event id that no server of this model gave out. The message is one line."""


class Event(msgspec.Struct, frozen=True, array_like=True):
    """One answer, as its event id tells it."""

    at: int
    """Unix time in milliseconds."""
    user: int
    """64 bits that stand for the user, 0 without one."""
    txn_id: str
    run_id: str
    stage: int
    arm: Arm
    label: str
    """What was suggested first, "" if nothing was."""

    @property
    def key(self) -> StageKey:
        """Answer the stage that feedback on this answer belongs to."""
        return StageKey(self.run_id, self.stage)

    @property
    def identity(self) -> bytes:
        """Answer 16 bytes that tell this answer from every other one, however its event id was spelt."""
        return hashlib.blake2b(_ENCODER.encode(self), digest_size=16).digest()


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Event)


def sign(event: Event, key: bytes) -> str:
    """Answer the event id of one answer."""
    signed = _VERSION + _ENCODER.encode(event)
    return base64.urlsafe_b64encode(signed + _tag(signed, key)).rstrip(b"=").decode()


def verify(event_id: str, keys: Sequence[bytes]) -> Event:
    """Read an event id that was signed with one of `keys`. Raises EventError."""
    if len(event_id) > LONGEST:
        raise EventError("event_id: it is too long to come from this model")
    try:
        token = base64.b64decode(event_id + "=" * (-len(event_id) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise EventError("event_id: it is not base64url; use the event_id of a suggestion") from None
    signed, tag = token[:-_TAG_BYTES], token[-_TAG_BYTES:]
    if not any(hmac.compare_digest(tag, _tag(signed, key)) for key in keys):
        raise EventError("event_id: its signature is not one of this model; use the event_id of a suggestion")
    if signed[:1] != _VERSION:
        raise EventError("event_id: its version is not known here; the server that gave it out is newer")
    try:
        return _DECODER.decode(signed[1:])
    except msgspec.MsgspecError:
        raise EventError("event_id: its content is not known here; the server that gave it out is newer") from None


def _tag(signed: bytes, key: bytes) -> bytes:
    begun, ended = _halves(key)
    inner, outer = begun.copy(), ended.copy()
    inner.update(signed)
    outer.update(inner.digest())
    tag: bytes = outer.digest()[:_TAG_BYTES]
    return tag


@lru_cache(maxsize=16)
def _halves(key: bytes) -> tuple[Any, Any]:
    """Answer HMAC-SHA256's two hashes with the key already in them (RFC 2104): half of the cost of one event id."""
    block = (key if len(key) <= _BLOCK_BYTES else hashlib.sha256(key).digest()).ljust(_BLOCK_BYTES, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))
