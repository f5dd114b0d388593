"""Keys that sign runs. Whoever trains keeps signing.key; servers and `serin runs verify` are given signing.pub.

Never overwrites a key: runs that it signed could not be checked any more.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from serin_core.model import signing
from serin_core.model.signing import SignatureError
from serin_training.errors import OptionError

SIGNING_KEY: Final = "SERIN_SIGNING_KEY"
PRIVATE: Final = "signing.key"
PUBLIC: Final = "signing.pub"

_FOR_ITS_OWNER: Final = 0o600
_FOR_ALL: Final = 0o644

Sign = Callable[[bytes], bytes]
"""From a manifest's bytes to their signature."""


def generate_keys(folder: Path) -> tuple[Path, Path]:
    """Write a new private and public key and answer where. Raises OptionError; then neither is there."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / PRIVATE, folder / PUBLIC
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, mode, content in (
            (private, _FOR_ITS_OWNER, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
            (public, _FOR_ALL, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
        ):
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            written.append(path)
            with open(opened, "wb") as file:  # noqa: PTH123 - a descriptor, opened with its mode from the first moment
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(error, FileExistsError) and folder.is_dir():
            raise OptionError(f"{error.filename}: it is there already; a key is never overwritten") from None
        raise OptionError(f"{error.filename or folder}: {error.strerror}; no key was written") from None
    return private, public


def read_signing_key(path: Path) -> Sign:
    """Answer what signs with the private key of a file. Raises OptionError."""
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise OptionError(f"{path}: it is no Ed25519 key in PEM without a password; `serin runs keygen` writes one")
    return key.sign


def read_public_key(path: Path) -> bytes:
    """Answer the public keys of a file, after a look at whether they are. Raises OptionError."""
    text = _read(path)
    try:
        signing.check_public_key(text)
    except SignatureError as error:
        raise OptionError(f"{path}: {error}") from None
    return text


def signing_key_of_environment() -> Path | None:
    """Answer the private key that SERIN_SIGNING_KEY names, None if it names none. Raises OptionError.

    It is read once, so that a wrong one is told before a training and not after it.
    """
    name = os.environ.get(SIGNING_KEY, "").strip()
    if not name:
        return None
    try:
        read_signing_key(Path(name))
    except OptionError as error:
        raise OptionError(f"{SIGNING_KEY}: {error}") from None
    return Path(name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OptionError(f"{path}: {error.strerror}") from None
