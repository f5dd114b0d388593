"""Secrets in files that are read whenever they are sent, so that they can be rotated. No error repeats one."""

from pathlib import Path


class CredentialError(Exception):
    """A file with a credential that cannot be sent. The message names the file, never its content."""


def as_header(file: Path) -> str:
    """Return the content of a file as the value of a header. Raises CredentialError and OSError."""
    text = one_line(file)
    if not text.isascii():
        raise CredentialError(f"{file} has characters that a header cannot have")
    return text


def one_line(file: Path) -> str:
    """Return the one line of a file, without surrounding spaces. Raises CredentialError and OSError."""
    try:
        text = file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise CredentialError(f"{file} is not UTF-8") from None
    if not text:
        raise CredentialError(f"{file} is empty")
    if not text.isprintable():
        raise CredentialError(f"{file} is not one line of printable characters")
    return text
