"""Private Ed25519 keys, which sign what `signing.py` verifies: training signs runs, and the operator signs routing.

Both sides use the package cryptography. This module imports it at once, and is imported only by what signs.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

_BEGIN: Final = "-----BEGIN"


class KeyFormatError(ValueError):
    """A text that is not a private key. The message is the end of a sentence."""


@dataclass(frozen=True, repr=False)
class SigningKey:
    """A private key."""

    seed: bytes
    """32 random bytes."""

    @classmethod
    def generate(cls) -> Self:
        """Return a new random key."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, pem: str) -> Self:
        """Parse one unencrypted key, as `openssl genpkey -algorithm ed25519` writes it. Raises KeyFormatError."""
        try:
            found = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            found = None
        # Of several keys in a text the package would read the first one only.
        if not isinstance(found, Ed25519PrivateKey) or pem.count(_BEGIN) > 1:
            raise KeyFormatError("is not an Ed25519 private key in PEM; `openssl genpkey -algorithm ed25519` makes one")
        return cls(found.private_bytes_raw())

    @property
    def pem(self) -> str:
        """The private key in PEM (PKCS #8), without a password."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def public_pem(self) -> str:
        """The public key in PEM."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, content: bytes) -> bytes:
        """Return the signature of the content, 64 bytes."""
        return self._key.sign(content)

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)
