"""Signatures of runs: what `manifest.sig` beside a manifest says, and how it is checked.

The signature is Ed25519's (RFC 8032), 64 bytes as they are, over the bytes of manifest.json. The manifest names its run
and every file's sha256, so it vouches for all of them, and for no other run. Without this room, the same is asked by

    openssl pkeyutl -verify -rawin -pubin -inkey signing.pub -in manifest.json -sigfile manifest.sig

Never signs and never reads a file. Training verifies what is stored, servers verify what they load, and neither may
import the other: that is why the check stands here. Its cryptography is imported where it is needed, so that an
operator, which checks nothing, does without that package.
"""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE: Final = "manifest.sig"

_PUBLIC_KEY: Final = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


class SignatureError(ValueError):
    """A signature, or the key to check it by, that cannot be relied on. The message is one line."""


def verify(manifest: bytes, signature: bytes, public_key: bytes) -> None:
    """Check that one of these public keys signed the manifest. Raises SignatureError.

    `public_key` is PEM. It may hold several keys, one after the other, so that runs of both are served while one
    replaces the other.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see the module's docstring

    for key in _keys(public_key):
        try:
            key.verify(signature, manifest)
        except InvalidSignature:
            continue
        return
    raise SignatureError(f"{SIGNATURE}: it is not the signature of this manifest by the public key")


def check_public_key(public_key: bytes) -> None:
    """Check that `verify` can use these keys: at a start, before there is a run. Raises SignatureError."""
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
        raise SignatureError("the public key is no Ed25519 key in PEM; `serin runs keygen` writes one as signing.pub")
    return keys
