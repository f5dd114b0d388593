"""Verification of Ed25519 signatures: of runs, by `manifest.sig` beside a manifest, and of pushed routing documents.

That of a run is Ed25519 (RFC 8032), 64 raw bytes, over the bytes of manifest.json. The manifest names its run and the
sha256 of every file, so that the signature covers all of them and no other run. OpenSSL verifies it as well:

    openssl pkeyutl -verify -rawin -pubin -inkey signing.pub -in manifest.json -sigfile manifest.sig

Training verifies what is stored, and servers verify what they load and what they are sent; `signing_keys.py` signs.
The package cryptography is imported only where a signature is checked: a registry without signatures is read without.
"""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE: Final = "manifest.sig"

_PUBLIC_KEY: Final = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


class SignatureError(ValueError):
    """An invalid signature or public key. The message is one line."""


def verify(manifest: bytes, signature: bytes, public_key: bytes) -> None:
    """Raise SignatureError unless one of the public keys has signed the manifest.

    `public_key` is PEM and may hold several keys, so that a key can be replaced while runs signed by both are served.
    """
    if not is_signed(manifest, signature, public_key):
        raise SignatureError(f"{SIGNATURE}: it is not the signature of this manifest by the public key")


def is_signed(content: bytes, signature: bytes, public_key: bytes) -> bool:
    """Return whether one of the public keys, in PEM, has signed the content. Raises SignatureError for other keys."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see the module's docstring

    for key in _keys(public_key):
        try:
            key.verify(signature, content)
        except InvalidSignature:
            continue
        return True
    return False


def check_public_key(public_key: bytes) -> None:
    """Raise SignatureError unless `verify` can use these keys, so that a process can check them when it starts."""
    _keys(public_key)


def _keys(public_key: bytes) -> "list[Ed25519PublicKey]":
    try:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see the module's docstring
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415
    except ImportError:
        raise SignatureError("signatures cannot be checked: the package cryptography is not installed") from None
    try:
        found = [load_pem_public_key(text) for text in _PUBLIC_KEY.findall(public_key)]
    except (ValueError, UnsupportedAlgorithm):
        found = []
    keys = [key for key in found if isinstance(key, Ed25519PublicKey)]
    if not keys or len(keys) != len(found):
        raise SignatureError(
            "the public key is not an Ed25519 key in PEM; `serin runs keygen` writes one as signing.pub"
        )
    return keys
