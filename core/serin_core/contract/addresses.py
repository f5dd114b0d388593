"""Addresses in messages: what may be shown of one, and texts of others with its secrets removed.

An address may hold a password in its user part, its query, or as `key=value`, with or without percent-encoding. Only
the scheme, the host with its port, and the source's own name (path and table) are ever shown. Where it is not certain
which part of an address is which, because a special character is not percent-encoded, only the scheme is shown.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN: Final = "(hidden)"
ENCODE_PASSWORD: Final = "percent-encode special characters of the user and password, as in %23 for #"  # noqa: S105
_TABLE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)?", re.ASCII)
_SCHEME: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*:)?//(?P<rest>.*)", re.DOTALL)
_ONE_HOST: Final = r"([A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
_HOSTS: Final = re.compile(rf"{_ONE_HOST}(,{_ONE_HOST})*")
_FILE_SCHEMES: Final = ("file:", "sqlite:")
_SCHEMES_WITH_TABLE: Final = ("postgresql:", "postgres:", "sqlite:")
_KEY_OF_SECRET: Final = re.compile(r"(?:pass|pwd|secret|token|credential|key|sig)[a-z0-9_-]*\s*=", re.IGNORECASE)
_DSN: Final = re.compile(rf"(^|[\s;&?,])[\w-]*{_KEY_OF_SECRET.pattern}", re.IGNORECASE)
_HARMLESS_KEYS: Final = ("host", "port", "dbname", "sslmode", "connect_timeout", "application_name")
_HARMLESS_QUERY: Final = re.compile(rf"(({'|'.join(_HARMLESS_KEYS)})=[^&]*(&|$))*")
_WELL_KNOWN_USERS: Final = ("git",)
_USER_OF_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s'\"<>]*@")
_SECRET_OF_QUERY: Final = re.compile(rf"([?&;][\w-]*{_KEY_OF_SECRET.pattern})[^&\s'\"<>]*", re.IGNORECASE)
_MIN_PIECE: Final = 4
"""Characters of a part of a password that is looked for on its own; shorter ones are in every text."""


def is_table_name(text: str) -> bool:
    """Return whether this is the name of a table or view, with or without a schema."""
    return _TABLE.fullmatch(text) is not None


def display_address(text: str) -> str:
    """Return an address or path with nothing in it that may be secret.

    A path is returned as it is. Of a URL, user, password and query are left out, and a fragment that is not the name
    of a table. Returns `scheme://(hidden)`, or `(hidden)` without a scheme, for an address that is ambiguous.
    """
    found = _SCHEME.fullmatch(text)
    if found is None:
        return _display_path(text)
    scheme, rest = found["scheme"] or "", found["rest"]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    behind = rest[len(authority) :]
    path, query, table = _split(behind)
    hosts = authority.rpartition("@")[2]
    is_file = scheme.lower() in _FILE_SCHEMES and not authority
    if not is_file and ("@" in behind or not _HOSTS.fullmatch(hosts)):
        return f"{scheme}//{HIDDEN}"
    if _KEY_OF_SECRET.search(unquote(path)):
        path = f"/{HIDDEN}"
    shows_table = (
        scheme.lower() in _SCHEMES_WITH_TABLE and is_table_name(table) and _HARMLESS_QUERY.fullmatch(query) is not None
    )
    return f"{scheme}//{hosts}{path}" + (f"#{table}" if shows_table else "")


def unambiguous(address: str) -> str:
    """Return an address unchanged. Raises ValueError if it is not certain which part of it is the host."""
    if HIDDEN in display_address(address):
        raise ValueError(f"the address is ambiguous; {ENCODE_PASSWORD}")
    return address


def without_secrets(text: str, *addresses: str) -> str:
    """Return a text, such as a library's error message, without the parts of these addresses that may be secret.

    User, password and secret query values of any other URL in the text are removed too, as far as it can be recognised.
    """
    for address in addresses:
        if address:
            text = text.replace(address, display_address(address))
    for secret in sorted({part for address in addresses for part in _secrets(address)}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _SECRET_OF_QUERY.sub(r"\1***", _USER_OF_URL.sub(r"\1", text))


def addresses_in(values: Iterable[str]) -> list[str]:
    """Return those of the values, such as environment variables, that are URLs."""
    return [value for value in values if "://" in value]


class WithoutSecrets(logging.Filter):
    """Removes the secrets of a process's addresses from every log line, also from lines of libraries."""

    def __init__(self, *addresses: str) -> None:
        super().__init__()
        self._addresses = addresses

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the message of a record if it holds a secret; always return True."""
        message = record.getMessage()
        clean = without_secrets(message, *self._addresses)
        if clean != message:
            record.msg, record.args = clean, None
        return True


def _display_path(text: str) -> str:
    if _DSN.search(unquote(text)):
        return HIDDEN
    before, at, behind = text.rpartition("@")
    if at and ":" in before.partition("/")[0]:
        return HIDDEN
    if at and ":" in behind and "/" not in before:
        return behind  # user@host:path, as git takes it
    return text.partition("?")[0]


def _split(behind: str) -> tuple[str, str, str]:
    """Return path, query and fragment of what follows the host."""
    start, _, fragment = behind.partition("#")
    path, _, query = start.partition("?")
    return path.partition(";")[0], query, fragment


def _secrets(address: str) -> Iterator[str]:
    """Yield every part of an address that may be secret, as it is, decoded and encoded."""
    for part in _secret_parts(address):
        for plain in {part, unquote(part), unquote_plus(part)}:
            forms = (plain, quote(plain, safe=""), quote(plain), quote_plus(plain))
            yield from (form for form in forms if form and form not in _WELL_KNOWN_USERS)


def _secret_parts(address: str) -> Iterator[str]:
    rest = address.partition("://")[2] or address
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # The second reading is that of a password whose special characters are not encoded.
    for user_part in {authority.rpartition("@")[0], rest.rpartition("@")[0]}:
        user, _, password = user_part.partition(":")
        if password:
            yield from (password, user_part, *_pieces(password))
        elif "://" in address:
            yield from (user, *_pieces(user))  # a token, as Git hosts take it
    for found in re.finditer(r"([\w-]+)\s*=\s*", rest):
        is_query = "?" in rest[: found.start()] and found[1] not in _HARMLESS_KEYS
        if is_query or _KEY_OF_SECRET.search(f"{found[1]}="):
            value = rest[found.end() :]
            yield from (value, value.partition("&")[0], value.split(maxsplit=1)[0] if value.split() else "")
            yield from _pieces(value)


def _pieces(password: str) -> list[str]:
    return [piece for piece in re.split(r"[/?#@:\[\]&;'\s]", password) if len(piece) >= _MIN_PIECE]
