"""What the commands share: options, complaints, and where results go."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from serin_core.contract.addresses import without_secrets
from serin_registry.errors import RegistryError
from serin_training.errors import ClusterError, DataError, EngineError, GitError, SettingsError

Data = Annotated[
    list[str],
    typer.Option(
        "--data",
        help="Labelled transactions: a CSV (plain or gzip), a .parquet file, sqlite:///FILE, postgresql://... (a "
        "server's store, or a table named behind a #), or a folder of `serin features`. May be given several times.",
        show_default=False,
    ),
]
Registry = Annotated[
    str, typer.Option("--registry", help="A directory, or file://, s3://, gs://, az://, https://.", show_default=False)
]
Run = Annotated[
    str, typer.Option("--run", help="A run's name, its first part run_<8 hex>, or latest.", show_default=False)
]
Moment = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])]
Limit = Annotated[int | None, typer.Option(min=1, help="Only so many of the newest rows.")]
Seed = Annotated[int, typer.Option(help="The same data and seed give the same result.")]


SignOption = Annotated[
    Path | None,
    typer.Option("--sign", help="Sign the run with this private key (SERIN_SIGNING_KEY; `serin runs keygen`)."),
]


class Output(StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="text or json.")]


@contextmanager
def exit_on_error(command: str) -> Iterator[None]:
    """Turn this room's errors into one line and an exit status."""
    try:
        yield
    except (DataError, SettingsError) as error:
        say(f"serin {command}: {error}")
        raise typer.Exit(2) from None
    except (RegistryError, ClusterError, EngineError, GitError, OSError) as error:
        say(f"serin {command}: {error}")
        raise typer.Exit(1) from None


def say(text: str) -> None:
    """Print a line on stderr, without secrets of addresses on the command line."""
    typer.echo(without_secrets(text, *sys.argv[1:]), err=True)


def in_utc(moment: datetime | None) -> datetime | None:
    """Answer a moment of the command line with its offset."""
    return None if moment is None else moment.replace(tzinfo=UTC)


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing. Raises OSError."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
