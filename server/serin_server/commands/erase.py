"""The command `serin data erase`: stored transactions and feedback of a user."""

import asyncio
import json
import os
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from serin_server.settings import StoreSettings
    from serin_server.stores.store import Erased, Store

app = typer.Typer()

_DEFAULT = "sqlite:///serin.sqlite3"
_SECONDS = 600.0
"""Timeout of one command in a large database."""


class OutputFormat(StrEnum):
    """Format of the result."""

    TEXT = "text"
    JSON = "json"


@app.command(epilog="Examples:\n  serin data erase --user u-17 --store sqlite:///var/lib/serin/store.db --dry-run")
def erase(
    user: Annotated[str, typer.Option(help="The user_id whose transactions and feedback are deleted.")],
    store: Annotated[
        str,
        typer.Option(
            help=f"sqlite:///PATH or postgresql://... Default: SERIN_STORE_FILE or SERIN_STORE, else {_DEFAULT}."
        ),
    ] = "",
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print how much would be deleted.")] = False,
    output: Annotated[OutputFormat, typer.Option("-o", "--output", help="text or json.")] = OutputFormat.TEXT,
) -> None:
    """Delete all transactions and feedback of a user, in one transaction; a Postgres may be in use meanwhile.

    Not deleted: event ids that clients hold, which contain a hash of the user, and copies such as backups, training
    files and database logs. Transactions that are sent again later are stored again.
    """
    from serin_server.environment import store_settings  # noqa: PLC0415
    from serin_server.settings import SettingsError, parse_option, parse_store  # noqa: PLC0415
    from serin_server.stores.store import StoreError  # noqa: PLC0415

    try:
        settings = (
            parse_option("--store", parse_store, store) if store else store_settings(os.environ, default=_DEFAULT)
        )
        erased = asyncio.run(_erase(settings, user, dry_run=dry_run))
    except SettingsError as error:
        typer.echo(f"serin data erase: {error}", err=True)
        raise typer.Exit(2) from None
    except StoreError as error:
        typer.echo(f"serin data erase: {error}; nothing was erased", err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps(asdict(erased)) if output is OutputFormat.JSON else _summary(erased, dry_run=dry_run))


async def _erase(settings: "StoreSettings", user: str, *, dry_run: bool) -> "Erased":
    from serin_server.settings import SettingsError  # noqa: PLC0415

    if not user.strip():
        raise SettingsError("--user: it is empty; give the user_id of a user")
    store = _open(settings)
    try:
        return await store.erase(user, dry_run=dry_run)
    finally:
        await store.close()


def _open(settings: "StoreSettings") -> "Store":
    from serin_server.settings import NoStoreSettings, PostgresSettings, SettingsError, SqliteSettings  # noqa: PLC0415
    from serin_server.stores.postgres import Postgres  # noqa: PLC0415
    from serin_server.stores.sqlite import Sqlite  # noqa: PLC0415

    match settings:
        case NoStoreSettings():
            raise SettingsError("--store: none has no data; give the store with the data")
        case SqliteSettings(path=path):
            if not path.exists():
                raise SettingsError(f"--store: {path}: no such file")
            return Sqlite(path)
        case PostgresSettings(url=url):
            return Postgres(url, uid="", seconds=_SECONDS)


def _summary(erased: "Erased", *, dry_run: bool) -> str:
    would = "would be erased" if dry_run else "erased"
    return f"{would}: {erased.transactions} transactions, {erased.feedback} feedback, {erased.counted} counting marks"
