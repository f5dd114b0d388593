"""The commands `serin data`: what people ask of the kept transactions and feedback."""

import asyncio
import json
import os
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from serin_server.settings import NoStoreAt, PostgresAt, SettingsError, SqliteAt, StoreAt, parse_store
from serin_server.settings import store_of_environment as store_of
from serin_server.stores.postgres import Postgres
from serin_server.stores.sqlite import Sqlite
from serin_server.stores.store import Erased, Store, StoreError

app = typer.Typer(help="What servers keep of users.", no_args_is_help=True)

_DEFAULT = "sqlite:///serin.sqlite3"
_SECONDS = 600.0
"""How long one command may take in a large database."""


class Output(StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"


@app.callback()
def _data() -> None:
    """What servers keep of users."""


@app.command()
def erase(
    user: Annotated[str, typer.Option(help="The user_id whose transactions and feedback are erased.")],
    store: Annotated[
        str,
        typer.Option(
            help=f"sqlite:///PATH or postgresql://... Without it SERIN_STORE_FILE or SERIN_STORE, else {_DEFAULT}."
        ),
    ] = "",
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how much would be erased.")] = False,
    output: Annotated[Output, typer.Option("-o", "--output", help="text or json.")] = Output.TEXT,
) -> None:
    """Erase a user's transactions and the feedback on them, all or nothing; a Postgres may be in use meanwhile.

    Event ids that were handed out carry a hash of the user, and stay where they are; so do copies: backups, files that
    a training has read, and logs of the database. Whoever still sends the user's transactions stores them anew.
    """
    try:
        _check_user(user)
        at = parse_store(store, where="--store") if store else store_of(os.environ, default=_DEFAULT)
        erased = asyncio.run(_erase(at, user, is_rehearsal=dry_run))
    except SettingsError as error:
        typer.echo(f"serin data erase: {error}", err=True)
        raise typer.Exit(2) from None
    except StoreError as error:
        typer.echo(f"serin data erase: {error}; nothing was erased", err=True)
        raise typer.Exit(1) from None
    typer.echo(json.dumps(asdict(erased)) if output is Output.JSON else _sentence(erased, is_rehearsal=dry_run))


def _check_user(user: str) -> None:
    if not user.strip():
        raise SettingsError("--user: it is empty; transactions without a user are of nobody")


async def _erase(at: StoreAt, user: str, *, is_rehearsal: bool) -> Erased:
    store = _open(at)
    try:
        return await store.erase(user, is_rehearsal=is_rehearsal)
    finally:
        await store.close()


def _open(at: StoreAt) -> Store:
    match at:
        case NoStoreAt():
            raise SettingsError("--store: none keeps nothing; name the store with the data")
        case SqliteAt(path=path):
            if not path.exists():
                raise SettingsError(f"--store: {path}: there is no such file")
            return Sqlite(path)
        case PostgresAt(url=url):
            return Postgres(url, uid="", seconds=_SECONDS)


def _sentence(erased: Erased, *, is_rehearsal: bool) -> str:
    would = "would be erased" if is_rehearsal else "erased"
    return f"{would}: {erased.transactions} transactions, {erased.feedback} feedback, {erased.counted} counts of stages"
