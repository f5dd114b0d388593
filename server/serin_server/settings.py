"""Settings of a server process: one frozen value, built once at the start and passed to everything that needs it.

Read from environment variables by environment.py, or from the options of `serin serve`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from serin_core.api.server import RETENTION_PATTERN
from serin_core.contract import environment
from serin_core.contract.documents import Thresholds
from serin_core.model.signing import SignatureError, check_public_key

_T = TypeVar("_T")


class SettingsError(ValueError):
    """Settings that cannot be used: one line for each error, with the setting, what is wrong and what is valid."""


@dataclass(frozen=True, slots=True)
class NoStoreSettings:
    """Keep nothing: requests carry their transactions, feedback is only counted."""


@dataclass(frozen=True, slots=True)
class SqliteSettings:
    """Keep transactions and feedback in one file, for one process."""

    path: Path


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """Keep transactions and feedback in a database that any number of pods share."""

    url: str


StoreSettings = NoStoreSettings | SqliteSettings | PostgresSettings


@dataclass(frozen=True, slots=True)
class OperatorMode:
    """Runs and routing come from mounted directories that the operator fills."""

    model_dir: Path
    """Holds model.json, the list of runs to load."""
    routing_dir: Path
    """Holds routing.json; watched for changes."""
    pod_dir: Path
    """Holds `annotations` of the downward API; watched for changes."""
    state_dir: Path
    """Keeps the highest revision served, across restarts of the container."""
    registry: str = ""
    """Registry of the runs; "" for the one in model.json."""
    routing_key: str = ""
    """PEM key; routing that is sent to this process must be signed by it. "": none is accepted."""


@dataclass(frozen=True, slots=True)
class StandaloneMode:
    """No operator: the latest run of a registry is the candidate, the rules are the control."""

    registry: str
    """A directory or a URI."""
    shadow: bool
    percent: float
    thresholds: Thresholds
    calibration: bool


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where files of a remote registry are kept on this machine."""

    directory: Path
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one server process."""

    host: str
    port: int
    """0: any free port."""
    model: str
    """namespace/name of the resource: the label serin_model."""
    uid: str
    """The resource's uid; documents of another uid are ignored."""
    pod: str
    mode: OperatorMode | StandaloneMode
    store: StoreSettings
    rules_file: Path
    """If the file does not exist, no rule ever matches."""
    tokens_dir: Path
    allow_anonymous: bool
    """Whether requests need no token while no token is configured."""
    grace_seconds: float
    """Seconds that open requests may take to finish after SIGTERM."""
    keep_alive_seconds: int = int(environment.KEEP_ALIVE_SECONDS.default)
    """Seconds that a connection without a request stays open. Longer than load balancers and clients' pools keep it:
    they must close first, because a request that meets a closing connection is lost."""
    tls_dir: Path | None = None
    """Holds tls.crt and tls.key; None: requests are served without TLS."""
    json_logs: bool = False
    public_key: str = ""
    """PEM keys; a run must be signed by one of them. "": signatures are not checked."""
    cache: CacheSettings | None = None
    """None: files of a remote registry are downloaded at each start."""
    has_collector: bool = False
    """Whether an OpenTelemetry collector is configured; then every request is traced."""
    retention: timedelta | None = None
    """How long transactions and feedback are kept; None: until they are erased."""


def checked_public_key(text: str) -> str:
    """Return PEM keys that signatures can be checked with, or "". Raises SettingsError."""
    if text:
        try:
            check_public_key(text.encode())
        except SignatureError as error:
            raise SettingsError(str(error)) from None
    return text


def parse_retention(text: str) -> timedelta | None:
    """Parse a number of days like `400d`; "" means for ever. Raises SettingsError."""
    if not text:
        return None
    if not re.match(RETENTION_PATTERN, text):
        raise SettingsError(f"{text!r} is not a number of days; use one like 400d")
    return timedelta(days=int(text[:-1]))


def parse_store(text: str) -> StoreSettings:
    """Parse `none`, `sqlite:///path` (a fourth slash makes the path absolute) or `postgresql://...`.

    Raises SettingsError, whose message never contains a password.
    """
    if text == "none":
        return NoStoreSettings()
    if text.startswith("sqlite:///") and len(text) > len("sqlite:///"):
        return SqliteSettings(Path(text.removeprefix("sqlite:///")))
    if text.startswith(("postgresql://", "postgres://")):
        return PostgresSettings(text)
    found = re.match(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)", text)
    kind = f"the scheme {found[0]}" if found else "a store without a scheme"
    raise SettingsError(f"{kind} is not supported; use none, sqlite:///path or postgresql://user@host/database")


def parse_option(option: str, parse: Callable[[str], _T], text: str) -> _T:
    """Parse the value of a command-line option, which the error names. Raises SettingsError."""
    try:
        return parse(text)
    except SettingsError as error:
        raise SettingsError(f"{option}: {error}") from None
