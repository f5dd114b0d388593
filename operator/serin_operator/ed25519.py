"""Signing with Ed25519, as in section 5.1 of RFC 8032, and its private keys in PEM (PKCS #8, RFC 8410).

The operator signs a routing document when it changes, and verifies nothing: that is the work of the servers, with the
package cryptography, which the operator is installed without (docs/decisions/0134). Python's integers do not take
constant time. Nobody but the operator chooses what is signed or sees how long it takes to a microsecond.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

SEED_BYTES: Final = 32
_P: Final = 2**255 - 19
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P
_DIGITS: Final = 64
_RADIX: Final = 16
_PRIVATE_PREFIX: Final = bytes.fromhex("302e020100300506032b657004220420")
_PUBLIC_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
_PEM: Final = re.compile(r"\s*-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----\s*")

_Point = tuple[int, int, int, int]
"""Extended coordinates (X, Y, Z, T): x = X/Z, y = Y/Z, x*y = T/Z."""


class KeyFormatError(ValueError):
    """A text that is not a private key. The message is the end of a sentence."""


@dataclass(frozen=True, repr=False)
class SigningKey:
    """A private key."""

    seed: bytes
    """32 random bytes."""

    @classmethod
    def parse(cls, pem: str) -> Self:
        """Parse a key as `openssl genpkey -algorithm ed25519` writes it. Raises KeyFormatError."""
        found = _PEM.fullmatch(pem)
        try:
            content = base64.b64decode("".join(found[1].split()), validate=True) if found else b""
        except binascii.Error:
            content = b""
        seed = content.removeprefix(_PRIVATE_PREFIX)
        if len(seed) != SEED_BYTES or len(content) == len(seed):
            raise KeyFormatError("is not an Ed25519 private key in PEM; `openssl genpkey -algorithm ed25519` makes one")
        return cls(seed)

    @property
    def pem(self) -> str:
        """The private key in PEM."""
        return _pem("PRIVATE KEY", _PRIVATE_PREFIX + self.seed)

    @property
    def public_pem(self) -> str:
        """The public key in PEM."""
        return _pem("PUBLIC KEY", _PUBLIC_PREFIX + self.public)

    @cached_property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""
        return _encode(_multiple_of_base(self._scalar_and_prefix()[0]))

    def sign(self, content: bytes) -> bytes:
        """Return the signature of the content, 64 bytes."""
        scalar, prefix = self._scalar_and_prefix()
        nonce = _number(hashlib.sha512(prefix + content)) % _ORDER
        point = _encode(_multiple_of_base(nonce))
        challenge = _number(hashlib.sha512(point + self.public + content)) % _ORDER
        return point + ((nonce + challenge * scalar) % _ORDER).to_bytes(32, "little")

    def _scalar_and_prefix(self) -> tuple[int, bytes]:
        digest = hashlib.sha512(self.seed).digest()
        scalar = int.from_bytes(digest[:32], "little")
        scalar &= (1 << 254) - 8
        return scalar | (1 << 254), digest[32:]


def _pem(label: str, content: bytes) -> str:
    return f"-----BEGIN {label}-----\n{base64.b64encode(content).decode()}\n-----END {label}-----\n"


def _number(digest: "hashlib._Hash") -> int:
    return int.from_bytes(digest.digest(), "little")


def _add(one: _Point, two: _Point) -> _Point:
    """Return the sum of two points; the formula holds for equal ones and for the neutral one as well."""
    a = (one[1] - one[0]) * (two[1] - two[0]) % _P
    b = (one[1] + one[0]) * (two[1] + two[0]) % _P
    c = 2 * one[3] * two[3] * _D % _P
    d = 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _encode(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | ((x & 1) << 255)).to_bytes(32, "little")


def _base() -> _Point:
    y = 4 * pow(5, -1, _P) % _P
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    x = _P - x if x & 1 else x
    return (x, y, 1, x * y % _P)


_NEUTRAL: Final[_Point] = (0, 1, 1, 0)


def _multiples() -> tuple[tuple[_Point, ...], ...]:
    """Return for each hexadecimal digit of a number the sixteen points that it can stand for."""
    rows, step = [], _base()
    for _ in range(_DIGITS):
        row = [_NEUTRAL]
        for _ in range(_RADIX):
            row.append(_add(row[-1], step))
        step = row.pop()
        rows.append(tuple(row))
    return tuple(rows)


_MULTIPLES: Final = _multiples()


def _multiple_of_base(number: int) -> _Point:
    """Return a multiple of the base point, by as many additions for each number."""
    total = _NEUTRAL
    for place, row in enumerate(_MULTIPLES):
        total = _add(total, row[number >> 4 * place & 15])
    return total
