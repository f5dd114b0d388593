"""What a server process is told at its start: one frozen value, read once in `main` or by `serin serve`.

Bad values are said in one line, with what would be right. Never reads the environment by itself: it is an argument.
"""

import math
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import TypeAdapter

from serin_core.api.spec import RETENTION_PATTERN
from serin_core.contract import names
from serin_core.contract.documents import Thresholds
from serin_core.model.signing import SignatureError, check_public_key

_JSON_OBJECT = TypeAdapter(dict[str, float])
_HIGHEST_PORT = 65_535
_LONGEST_GRACE = 3600.0
_CACHE_BYTES = 512 << 20
_MOST_CACHE_BYTES = 1 << 40


class SettingsError(ValueError):
    """A setting that cannot be used. The message is one line: which one, what is wrong, what would be right."""


@dataclass(frozen=True, slots=True)
class NoStoreAt:
    """Keep nothing: requests carry their transactions, feedback is counted only."""


@dataclass(frozen=True, slots=True)
class SqliteAt:
    """Keep transactions and feedback in one file, for one process."""

    path: Path


@dataclass(frozen=True, slots=True)
class PostgresAt:
    """Keep transactions and feedback in a database that any number of pods share."""

    url: str


StoreAt = NoStoreAt | SqliteAt | PostgresAt


@dataclass(frozen=True, slots=True)
class FromOperator:
    """Runs and routing come from mounted directories that the operator fills."""

    model_dir: Path
    """Holds model.json, which says what to load."""
    routing_dir: Path
    """Holds routing.json; it is followed."""
    pod_dir: Path
    """Holds `annotations` of the downward API; it is followed."""
    state_dir: Path
    """Keeps the highest revision seen over restarts of the container."""
    registry: str = ""
    """Where the registry of model.json is to be found here; "" where model.json says."""


@dataclass(frozen=True, slots=True)
class FromRegistry:
    """No operator: `latest` of a registry is the candidate, rules are the control."""

    registry: str
    """A directory or a URI."""
    shadow: bool
    percent: float
    thresholds: Thresholds
    calibration: bool


@dataclass(frozen=True, slots=True)
class CacheAt:
    """Files of a registry that is far are kept on this machine."""

    directory: Path
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that one server process is told."""

    host: str
    port: int
    """0: any free port."""
    model: str
    """namespace/name of the resource: the label serin_model."""
    uid: str
    """The resource's uid; documents of another one are ignored."""
    pod: str
    source: FromOperator | FromRegistry
    store: StoreAt
    rules_file: Path
    """May be absent: then no rule ever matches."""
    tokens_dir: Path
    allow_anonymous: bool
    """Whether a missing token means that nobody needs one."""
    grace_seconds: float
    """How long requests under way may take to finish after SIGTERM."""
    json_logs: bool = False
    public_key: str = ""
    """PEM keys of which one must have signed a run; "": signatures are not looked at."""
    cache: CacheAt | None = None
    """None: a registry that is far is read again at each start."""
    has_collector: bool = False
    """Whether OpenTelemetry's own variables name a collector; then every request is traced."""
    retention: timedelta | None = None
    """How long transactions and feedback are kept; None: until they are erased."""


def settings_of_pod(environ: Mapping[str, str]) -> Settings:
    """Read what the operator's template sets. Raises SettingsError."""
    variables = _Variables(environ)
    return Settings(
        host=variables.text("SERIN_HOST", "0.0.0.0"),  # noqa: S104 - a pod is reached at its own address
        port=int(variables.number("SERIN_PORT", names.SERVER_PORT, low=0, high=_HIGHEST_PORT)),
        model=variables.text("SERIN_MODEL_NAME", ""),
        uid=variables.needed("SERIN_UID", "the uid of the SuggestionModel"),
        pod=variables.text("SERIN_POD", socket.gethostname()),
        source=FromOperator(
            model_dir=variables.path("SERIN_MODEL_DIR", names.MODEL_MOUNT),
            routing_dir=variables.path("SERIN_ROUTING_DIR", names.ROUTING_MOUNT),
            pod_dir=variables.path("SERIN_POD_DIR", names.POD_MOUNT),
            state_dir=variables.path("SERIN_STATE_DIR", names.STATE_MOUNT),
            registry=variables.text("SERIN_REGISTRY", ""),
        ),
        store=variables.store(default="none"),
        rules_file=variables.path("SERIN_RULES_DIR", names.RULES_MOUNT) / names.RULES_KEY,
        tokens_dir=variables.path("SERIN_TOKENS_DIR", names.TOKENS_MOUNT),
        allow_anonymous=variables.flag("SERIN_ALLOW_ANONYMOUS", default=False),
        grace_seconds=variables.number("SERIN_GRACE_SECONDS", 10, low=0, high=_LONGEST_GRACE),
        has_collector=bool(variables.text("OTEL_EXPORTER_OTLP_ENDPOINT", "")),
        json_logs=variables.choice("SERIN_LOG", ("text", "json")) == "json",
        public_key=checked_public_key(variables.text("SERIN_PUBLIC_KEY", ""), where="SERIN_PUBLIC_KEY"),
        cache=CacheAt(
            variables.path("SERIN_CACHE_DIR", names.CACHE_MOUNT),
            most_bytes=int(variables.number("SERIN_CACHE_BYTES", _CACHE_BYTES, low=0, high=_MOST_CACHE_BYTES)),
        ),
        retention=parse_retention(variables.text("SERIN_RETENTION", ""), where="SERIN_RETENTION"),
    )


def checked_public_key(text: str, *, where: str) -> str:
    """Answer PEM keys that signatures can be checked by, or "". Raises SettingsError."""
    if text:
        try:
            check_public_key(text.encode())
        except SignatureError as error:
            raise SettingsError(f"{where}: {error}") from None
    return text


def cache_of_environment(environ: Mapping[str, str]) -> CacheAt:
    """Answer where a server without operator keeps files of a registry that is far. Raises SettingsError."""
    variables = _Variables(environ)
    home = variables.path("XDG_CACHE_HOME", str(Path(environ.get("HOME", "/tmp")) / ".cache"))  # noqa: S108 - no home
    return CacheAt(home / "serin" / "runs", most_bytes=_CACHE_BYTES)


def store_of_environment(environ: Mapping[str, str], *, default: str) -> StoreAt:
    """Read SERIN_STORE_FILE or SERIN_STORE. Raises SettingsError."""
    return _Variables(environ).store(default=default)


def parse_retention(text: str, *, where: str) -> timedelta | None:
    """Read days, like `400d`, or "" for ever. Raises SettingsError."""
    if not text:
        return None
    if not re.match(RETENTION_PATTERN, text):
        raise SettingsError(f"{where}: {text!r} is no number of days; use one like 400d")
    return timedelta(days=int(text[:-1]))


def routing_of_environment(environ: Mapping[str, str], *, registry: str) -> FromRegistry:
    """Read the routing of a server without operator (contracts, 6). Raises SettingsError."""
    variables = _Variables(environ)
    return FromRegistry(
        registry=registry,
        shadow=variables.flag("SUGGEST_ENABLE_SHADOW", default=True),
        percent=variables.percent("SUGGEST_USE_MODEL_CANARY"),
        thresholds=variables.thresholds("SUGGEST_THRESHOLDS_JSON"),
        calibration=variables.flag("ML_CALIBRATION_ENABLED", default=True),
    )


def parse_store(text: str, *, where: str) -> StoreAt:
    """Read `none`, `sqlite:///path` (a fourth slash makes it absolute) or `postgresql://...`.

    Raises SettingsError, which never repeats a password.
    """
    if text == "none":
        return NoStoreAt()
    if text.startswith("sqlite:///") and len(text) > len("sqlite:///"):
        return SqliteAt(Path(text.removeprefix("sqlite:///")))
    if text.startswith(("postgresql://", "postgres://")):
        return PostgresAt(text)
    found = re.match(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)", text)
    scheme = found[0] if found else "no scheme"
    raise SettingsError(f"{where}: a store with {scheme}; use none, sqlite:///path or postgresql://user@host/database")


@dataclass(frozen=True, slots=True)
class _Variables:
    """Typed reading of environment variables, each problem named after its variable."""

    environ: Mapping[str, str]

    def text(self, name: str, default: str) -> str:
        return self.environ.get(name, "").strip() or default

    def needed(self, name: str, meaning: str) -> str:
        text = self.text(name, "")
        if not text:
            raise SettingsError(f"{name}: is not set; it is {meaning}")
        return text

    def path(self, name: str, default: str) -> Path:
        return Path(self.text(name, default))

    def number(self, name: str, default: float, *, low: float, high: float) -> float:
        text = self.text(name, str(default))
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise SettingsError(f"{name}: {text!r} is no number from {low:g} to {high:g}")
        return number

    def flag(self, name: str, *, default: bool) -> bool:
        text = self.text(name, str(default)).lower()
        if text in {"true", "1", "yes", "on"}:
            return True
        if text in {"false", "0", "no", "off"}:
            return False
        raise SettingsError(f"{name}: {text!r} is neither true nor false")

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        text = self.text(name, allowed[0])
        if text not in allowed:
            raise SettingsError(f"{name}: {text!r} is none of {', '.join(allowed)}")
        return text

    def percent(self, name: str) -> float:
        text = self.text(name, "0")
        try:
            percent = float(text.removesuffix("%").strip())
        except ValueError:
            percent = math.nan
        if not 0 <= percent <= 100:  # noqa: PLR2004 - a percentage
            raise SettingsError(f'{name}: {text!r} is no share of users; use "0", "10%", "50%" or "100"')
        return percent

    def thresholds(self, name: str) -> Thresholds:
        text = self.text(name, "{}")
        try:
            return _thresholds(text)
        except ValueError:
            raise SettingsError(
                f'{name}: use a JSON object of class and confidence from 0 to 1, like {{"default": 0.7, "Dining": 0.8}}'
            ) from None

    def store(self, *, default: str) -> StoreAt:
        file = self.text("SERIN_STORE_FILE", "")
        if not file:
            return parse_store(self.text("SERIN_STORE", default), where="SERIN_STORE")
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"SERIN_STORE_FILE: {file}: {os.strerror(error.errno or 0)}") from None
        return parse_store(text, where=f"SERIN_STORE_FILE {file}")


def _thresholds(text: str) -> Thresholds:
    given = _JSON_OBJECT.validate_json(text)
    default = given.pop("default", Thresholds().default)
    return Thresholds(default=default, per_class=given)
