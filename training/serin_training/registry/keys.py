"""Keys that sign runs: signing.key for training, signing.pub for servers and `serin runs verify`.

A key is never overwritten: the runs that it signed could not be verified any more.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from serin_core.contract import environment
from serin_core.model import signing
from serin_core.model.signing import SignatureError
from serin_core.model.signing_keys import KeyFormatError, SigningKey
from serin_training.errors import OptionError

SIGNING_KEY: Final = environment.SIGNING_KEY.name
PRIVATE: Final = "signing.key"
PUBLIC: Final = "signing.pub"

_OWNER_ONLY: Final = 0o600
_READABLE_BY_ALL: Final = 0o644

Sign = Callable[[bytes], bytes]
"""Returns the signature of a manifest's bytes."""


def generate_keys(folder: Path) -> tuple[Path, Path]:
    """Write a new key pair and return the private and the public file. Raises OptionError; then neither exists."""
    key = SigningKey.generate()
    private, public = folder / PRIVATE, folder / PUBLIC
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, mode, content in (
            (private, _OWNER_ONLY, key.pem),
            (public, _READABLE_BY_ALL, key.public_pem),
        ):
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            written.append(path)
            with open(opened, "wb") as file:  # noqa: PTH123 - a descriptor, created with its final mode
                file.write(content.encode())
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        if isinstance(error, FileExistsError) and folder.is_dir():
            raise OptionError(f"{error.filename}: it exists; a key is never overwritten") from None
        raise OptionError(f"{error.filename or folder}: {error.strerror}; no key was written") from None
    return private, public


def read_signing_key(path: Path) -> Sign:
    """Return the signing function of a private key file. Raises OptionError."""
    try:
        return SigningKey.parse(_read(path).decode()).sign
    except (KeyFormatError, UnicodeDecodeError):
        raise OptionError(
            f"{path}: not an Ed25519 private key in PEM without a password; `serin runs keygen` makes one"
        ) from None


def read_public_key(path: Path) -> bytes:
    """Read and check a file of public keys. Raises OptionError."""
    text = _read(path)
    try:
        signing.check_public_key(text)
    except SignatureError as error:
        raise OptionError(f"{path}: {error}") from None
    return text


def signing_key_of_environment() -> Sign | None:
    """Return the signing function of the key file that SERIN_SIGNING_KEY names, None if unset. Raises OptionError."""
    name = os.environ.get(SIGNING_KEY, "").strip()
    try:
        return read_signing_key(Path(name)) if name else None
    except OptionError as error:
        raise OptionError(f"{SIGNING_KEY}: {error}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OptionError(f"{path}: {error.strerror}") from None
