"""Settings from environment variables. The environment is an argument and never read from the process here.

serin_core.contract.environment lists the variables. All errors are reported at once, one line for each variable.
"""

import math
import os
import socket
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from serin_core.contract import environment as env
from serin_core.contract import names
from serin_core.contract.documents import Thresholds
from serin_server.settings import (
    CacheSettings,
    OperatorMode,
    Settings,
    SettingsError,
    StandaloneMode,
    StoreSettings,
    checked_public_key,
    parse_retention,
    parse_store,
)

_MAX_PORT = 65_535
_MAX_GRACE_SECONDS = 3600.0
_MAX_KEEP_ALIVE_SECONDS = 3600.0
_MAX_CACHE_BYTES = 1 << 40
_CONFIDENCES = TypeAdapter(dict[str, float])

_T = TypeVar("_T", bound=BaseModel)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _number(low: float, high: float) -> BeforeValidator:
    def parse(text: str) -> float:
        number = _float(text)
        if not low <= number <= high:
            raise ValueError(f"{text!r} is not a number from {low:g} to {high:g}")
        return number

    return BeforeValidator(parse)


def _flag(text: str) -> bool:
    if text.lower() in {"true", "1", "yes", "on"}:
        return True
    if text.lower() in {"false", "0", "no", "off"}:
        return False
    raise ValueError(f"{text!r} is not valid; use true or false")


def _log_format(text: str) -> str:
    if text not in {"text", "json"}:
        raise ValueError(f"{text!r} is not valid; use text or json")
    return text


def _percent(text: str) -> float:
    percent = _float(text.removesuffix("%").strip())
    if not 0 <= percent <= 100:  # noqa: PLR2004 - a percentage
        raise ValueError(f'{text!r} is not a share of users; use "0", "10%", "50%" or "100"')
    return percent


def _thresholds(text: str) -> Thresholds:
    try:
        given = _CONFIDENCES.validate_json(text)
        default = given.pop("default", Thresholds().default)
        return Thresholds(default=default, per_class=given)
    except ValueError:
        raise ValueError(
            'use a JSON object of class and confidence from 0 to 1, like {"default": 0.7, "Dining": 0.8}'
        ) from None


def _store_file(text: str) -> StoreSettings | None:
    if not text:
        return None
    try:
        url = Path(text).read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError(f"{text}: it is not UTF-8 text; put the store's URL there") from None
    except OSError as error:
        raise ValueError(f"{text}: {os.strerror(error.errno or 0)}") from None
    try:
        return parse_store(url)
    except SettingsError as error:
        raise ValueError(f"{text}: {error}") from None


Flag = Annotated[bool, BeforeValidator(_flag)]
Store = Annotated[Any, BeforeValidator(parse_store)]
StoreFile = Annotated[Any, BeforeValidator(_store_file)]


def _variable(variable: env.Variable) -> Any:
    return Field(default=variable.default, alias=variable.name, validate_default=True)


class _Environment(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _StoreVariables(_Environment):
    file: StoreFile = _variable(env.STORE_FILE)
    store: Store = _variable(env.STORE)

    def chosen(self) -> StoreSettings:
        chosen: StoreSettings = self.file or self.store
        return chosen


class _PodVariables(_StoreVariables):
    host: str = _variable(env.HOST)
    port: Annotated[int, _number(0, _MAX_PORT)] = _variable(env.PORT)
    model: str = _variable(env.MODEL_NAME)
    uid: str = Field(alias=env.UID.name)
    pod: str = Field(alias=env.POD.name, default_factory=socket.gethostname)
    model_dir: Path = _variable(env.MODEL_DIR)
    routing_dir: Path = _variable(env.ROUTING_DIR)
    pod_dir: Path = _variable(env.POD_DIR)
    state_dir: Path = _variable(env.STATE_DIR)
    registry: str = _variable(env.REGISTRY)
    rules_dir: Path = _variable(env.RULES_DIR)
    tokens_dir: Path = _variable(env.TOKENS_DIR)
    tls_dir: str = _variable(env.TLS_DIR)
    allow_anonymous: Flag = _variable(env.ALLOW_ANONYMOUS)
    grace_seconds: Annotated[float, _number(0, _MAX_GRACE_SECONDS)] = _variable(env.GRACE_SECONDS)
    keep_alive_seconds: Annotated[int, _number(1, _MAX_KEEP_ALIVE_SECONDS)] = _variable(env.KEEP_ALIVE_SECONDS)
    collector: str = _variable(env.OTLP_ENDPOINT)
    log: Annotated[Literal["text", "json"], BeforeValidator(_log_format)] = _variable(env.LOG)
    public_key: Annotated[str, BeforeValidator(checked_public_key)] = _variable(env.PUBLIC_KEY)
    routing_key: Annotated[str, BeforeValidator(checked_public_key)] = _variable(env.ROUTING_KEY)
    cache_dir: Path = _variable(env.CACHE_DIR)
    cache_bytes: Annotated[int, _number(0, _MAX_CACHE_BYTES)] = _variable(env.CACHE_BYTES)
    retention: Annotated[timedelta | None, BeforeValidator(parse_retention)] = _variable(env.RETENTION)


class _StandaloneVariables(_Environment):
    percent: Annotated[float, BeforeValidator(_percent)] = _variable(env.CANARY)
    shadow: Flag = _variable(env.SHADOW)
    thresholds: Annotated[Thresholds, BeforeValidator(_thresholds)] = _variable(env.THRESHOLDS)
    calibration: Flag = _variable(env.CALIBRATION)


def pod_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings of a pod from the variables that the operator sets. Raises SettingsError."""
    given = _read(_PodVariables, environ)
    return Settings(
        host=given.host,
        port=given.port,
        model=given.model,
        uid=given.uid,
        pod=given.pod,
        mode=OperatorMode(
            model_dir=given.model_dir,
            routing_dir=given.routing_dir,
            pod_dir=given.pod_dir,
            state_dir=given.state_dir,
            registry=given.registry,
            routing_key=given.routing_key,
        ),
        store=given.chosen(),
        rules_file=given.rules_dir / names.RULES_KEY,
        tokens_dir=given.tokens_dir,
        tls_dir=Path(given.tls_dir) if given.tls_dir else None,
        allow_anonymous=given.allow_anonymous,
        grace_seconds=given.grace_seconds,
        keep_alive_seconds=given.keep_alive_seconds,
        has_collector=bool(given.collector),
        json_logs=given.log == "json",
        public_key=given.public_key,
        cache=CacheSettings(given.cache_dir, max_bytes=given.cache_bytes),
        retention=given.retention,
    )


def standalone_mode(environ: Mapping[str, str], *, registry: str) -> StandaloneMode:
    """Return the routing of a server without an operator. Raises SettingsError."""
    given = _read(_StandaloneVariables, environ)
    return StandaloneMode(registry, given.shadow, given.percent, given.thresholds, given.calibration)


def standalone_cache(environ: Mapping[str, str]) -> CacheSettings:
    """Return where a server without an operator keeps files of a remote registry."""
    home = environ.get("HOME", "/tmp")  # noqa: S108 - a process without a home
    parent = environ.get(env.CACHE_HOME.name, "").strip() or f"{home}/.cache"
    return CacheSettings(Path(parent) / "serin" / "runs", max_bytes=int(env.CACHE_BYTES.default))


def store_settings(environ: Mapping[str, str], *, default: str) -> StoreSettings:
    """Return the store that SERIN_STORE_FILE or SERIN_STORE names, else `default`. Raises SettingsError."""
    return _read(_StoreVariables, {env.STORE.name: default} | _set(environ)).chosen()


def _set(environ: Mapping[str, str]) -> dict[str, str]:
    given = {name: text.strip() for name, text in environ.items() if text.strip()}
    if env.STORE_FILE.name in given:
        given.pop(env.STORE.name, None)
    return given


def _read(kind: type[_T], environ: Mapping[str, str]) -> _T:
    try:
        return kind.model_validate(_set(environ))
    except ValidationError as error:
        lines = (
            f"{found['loc'][0]}: is not set; set it to the uid of the SuggestionModel"
            if found["type"] == "missing"
            else f"{found['loc'][0]}: {found['msg'].removeprefix('Value error, ')}"
            for found in error.errors(include_url=False, include_input=False)
        )
        raise SettingsError("\n".join(lines)) from None
