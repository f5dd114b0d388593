"""The command `serin serve`: a server on this machine, without an operator; and beside it `serin data`."""

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from serin_core.contract.addresses import addresses_in, display_address
from serin_server.clock import SystemClock
from serin_server.commands import data as data_commands
from serin_server.http_server import listen
from serin_server.logs import configure_logs
from serin_server.service import build_service
from serin_server.settings import (
    Settings,
    SettingsError,
    cache_of_environment,
    checked_public_key,
    parse_retention,
    parse_store,
    routing_of_environment,
)
from serin_server.stores.users import LOCAL_UID

app = typer.Typer(help="Serve suggestions on this machine.")
app.add_typer(data_commands.app, name="data")

_GRACE_SECONDS = 10.0
_LOCAL_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


@app.command()
def serve(  # noqa: PLR0913, PLR0917 - each one is an option of the command line, given by name
    registry: Annotated[
        str,
        typer.Option(help="Where runs are kept, a directory or s3://, gs://, az://, https://; its latest is followed."),
    ] = "registry",
    rules: Annotated[Path, typer.Option(help="Keywords by class, YAML.")] = Path("rules.yaml"),
    store: Annotated[str, typer.Option(help="none, sqlite:///PATH or postgresql://...")] = "sqlite:///serin.sqlite3",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65_535)] = 8080,
    retention: Annotated[str, typer.Option(help="How long transactions and feedback are kept, like 400d.")] = "",
    public_key: Annotated[
        Path | None, typer.Option(help="PEM keys of which one must have signed a run (`serin runs keygen`).")
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(
            help="Directory with the files token and admin-token. Without it everybody on this machine may ask."
        ),
    ] = None,
) -> None:
    """Answer by rules, and by the registry's latest run as the environment says.

    SUGGEST_USE_MODEL_CANARY ("0", "10%", "50%", "100"), SUGGEST_ENABLE_SHADOW, SUGGEST_THRESHOLDS_JSON and
    ML_CALIBRATION_ENABLED set the share of users, the comparison, the confidence that is needed, and calibration.
    """
    try:
        settings = Settings(
            host="127.0.0.1" if host == "localhost" else host,
            port=port,
            model="local/" + (Path(display_address(registry)).resolve().name or "registry"),
            uid=LOCAL_UID,
            pod=socket.gethostname(),
            source=routing_of_environment(os.environ, registry=registry),
            store=parse_store(store, where="--store"),
            rules_file=rules,
            tokens_dir=_tokens_dir(tokens, host=host),
            allow_anonymous=tokens is None,
            grace_seconds=_GRACE_SECONDS,
            public_key=_public_key(public_key),
            cache=cache_of_environment(os.environ),
            retention=parse_retention(retention, where="--retention"),
        )
        configure_logs(as_json=False, addresses=[registry, store, *addresses_in(os.environ.values())])
        listen(build_service(settings, clock=SystemClock()))
    except SettingsError as error:
        typer.echo(f"serin serve: {error}", err=True)
        raise typer.Exit(2) from None


def _public_key(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--public-key {path}: {error}") from None
    return checked_public_key(text, where=f"--public-key {path}")


def _tokens_dir(tokens: Path | None, *, host: str) -> Path:
    if tokens is None and host not in _LOCAL_HOSTS:
        raise SettingsError(f"--host {host}: others could reach it; name the directory of its tokens with --tokens")
    return tokens or Path(os.devnull)
