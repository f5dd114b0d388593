"""The command `serin serve`: a server on this machine without an operator."""

import logging
import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from serin_core.contract.addresses import addresses_in, display_address

app = typer.Typer(help="Serve suggestions on this machine.")

_GRACE_SECONDS = 10.0
_LOCAL_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
_DEFAULT_REGISTRY = "registry"
_DEFAULT_RULES = Path("rules.yaml")

_log = logging.getLogger(__name__)


@app.command(epilog="Examples:\n  serin serve --registry registry/ledger_suggestions --rules rules.yaml")
def serve(  # noqa: PLR0913, PLR0917 - each one is an option of the command line, given by name
    registry: Annotated[
        str,
        typer.Option(help="Registry of the runs: a directory or s3://, gs://, az://, https://. Its latest is served."),
    ] = _DEFAULT_REGISTRY,
    rules: Annotated[Path, typer.Option(help="YAML file with keywords by class.")] = _DEFAULT_RULES,
    store: Annotated[str, typer.Option(help="none, sqlite:///PATH or postgresql://...")] = "sqlite:///serin.sqlite3",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65_535)] = 8080,
    retention: Annotated[
        str, typer.Option(help="How long to keep transactions and feedback, like 400d; for ever if not given.")
    ] = "",
    public_key: Annotated[
        Path | None,
        typer.Option(help="Accept only runs signed by one of these PEM public keys (`serin runs keygen`)."),
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(
            help="Directory with the files token and admin-token. Without it every user of this machine has access."
        ),
    ] = None,
) -> None:
    """Serve suggestions by rules and by the latest run of a registry.

    Environment variables set the routing: SUGGEST_USE_MODEL_CANARY ("0", "10%", "50%", "100") the share of users that
    the run serves, SUGGEST_ENABLE_SHADOW the comparison for all others, SUGGEST_THRESHOLDS_JSON the minimum confidence,
    ML_CALIBRATION_ENABLED calibration.
    """
    from serin_server.clock import SystemClock  # noqa: PLC0415
    from serin_server.environment import standalone_cache, standalone_mode  # noqa: PLC0415
    from serin_server.http_server import listen  # noqa: PLC0415
    from serin_server.logs import configure_logs  # noqa: PLC0415
    from serin_server.service import build_service  # noqa: PLC0415
    from serin_server.settings import (  # noqa: PLC0415
        Settings,
        SettingsError,
        parse_option,
        parse_retention,
        parse_store,
    )
    from serin_server.stores.rows import LOCAL_UID  # noqa: PLC0415

    try:
        _check_inputs(registry=registry, rules=rules)
        settings = Settings(
            host="127.0.0.1" if host == "localhost" else host,
            port=port,
            model="local/" + (Path(display_address(registry)).resolve().name or "registry"),
            uid=LOCAL_UID,
            pod=socket.gethostname(),
            mode=standalone_mode(os.environ, registry=registry),
            store=parse_option("--store", parse_store, store),
            rules_file=rules,
            tokens_dir=_tokens_dir(tokens, host=host),
            allow_anonymous=tokens is None,
            grace_seconds=_GRACE_SECONDS,
            public_key=_public_key(public_key),
            cache=standalone_cache(os.environ),
            retention=parse_option("--retention", parse_retention, retention),
        )
        configure_logs(as_json=False, addresses=[registry, store, *addresses_in(os.environ.values())])
        _warn_of_missing(registry=registry, rules=rules)
        listen(build_service(settings, clock=SystemClock()))
    except SettingsError as error:
        for line in str(error).splitlines():
            typer.echo(f"serin serve: {line}", err=True)
        raise typer.Exit(2) from None


def _check_inputs(*, registry: str, rules: Path) -> None:
    """Raise SettingsError for paths that were given and do not exist, and if there is nothing to serve."""
    from serin_server.settings import SettingsError  # noqa: PLC0415

    errors = []
    if not _is_there(registry) and registry != _DEFAULT_REGISTRY:
        errors.append(f"--registry {display_address(registry)}: no such directory; `serin train` creates one")
    if not rules.exists() and rules != _DEFAULT_RULES:
        errors.append(f"--rules {rules}: no such file; `serin rules suggest` writes one")
    if not (errors or _is_there(registry) or rules.exists()):
        errors.append(
            f"nothing to serve: neither the directory {registry} (--registry) nor the file {rules} (--rules) exists"
        )
    if errors:
        raise SettingsError("\n".join(errors))


def _is_there(registry: str) -> bool:
    """Return whether a registry is a directory that exists; one at a URI may be."""
    return "://" in registry or Path(registry).is_dir()


def _warn_of_missing(*, registry: str, rules: Path) -> None:
    if not rules.exists():
        _log.warning("%s does not exist: no rules are used (--rules)", rules)
    if not _is_there(registry):
        _log.warning("the registry %s does not exist: no run is served until it does (--registry)", registry)


def _public_key(path: Path | None) -> str:
    from serin_server.settings import SettingsError, checked_public_key, parse_option  # noqa: PLC0415

    if path is None:
        return ""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--public-key {path}: {error}") from None
    return parse_option(f"--public-key {path}", checked_public_key, text)


def _tokens_dir(tokens: Path | None, *, host: str) -> Path:
    from serin_server.settings import SettingsError  # noqa: PLC0415

    if tokens is None and host not in _LOCAL_HOSTS:
        raise SettingsError(f"--host {host}: other machines could connect; give a directory of tokens with --tokens")
    return tokens or Path(os.devnull)
