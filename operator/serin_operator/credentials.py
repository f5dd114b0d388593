"""Secrets in files that are read whenever they are sent, so that they can be rotated. No error repeats one."""

import base64
from collections.abc import Mapping
from pathlib import Path

from serin_operator.settings_model import BasicAuth, Header


class CredentialError(Exception):
    """A file with a credential that cannot be sent. The message names the file, never its content."""


def credential_headers(
    headers: Mapping[str, Header], bearer_token_file: Path | None, basic_auth: BasicAuth | None = None
) -> dict[str, str]:
    """Return the configured headers of one request, with Authorization. Raises CredentialError and OSError."""
    found = {name: header.value if header.file is None else as_header(header.file) for name, header in headers.items()}
    if bearer_token_file is not None:
        found["Authorization"] = f"Bearer {as_header(bearer_token_file)}"
    if basic_auth is not None:
        pair = f"{basic_auth.username}:{one_line(basic_auth.password_file)}"
        found["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return found


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
