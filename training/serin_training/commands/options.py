"""Options, error handling and output that the commands share."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from serin_core.contract import environment
from serin_core.contract.addresses import without_secrets
from serin_training.errors import (
    DataError,
    EngineError,
    GitError,
    KubernetesApiError,
    OptionError,
    SourceBrokenError,
)

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]

_SOURCES = (
    "Labelled transactions: a CSV file (plain or gzip), a .parquet, .ofx, .qfx or .sta file, sqlite:///FILE or "
    "postgresql://... (a server's store, or a table with #TABLE appended)"
)
Sources = Annotated[
    list[str], typer.Option("--data", metavar="SOURCE", help=f"{_SOURCES}. Repeatable.", show_default=False)
]
Data = Annotated[
    list[str],
    typer.Option(
        "--data",
        metavar="SOURCE",
        help=f"{_SOURCES}, or a folder written by `serin features`. Repeatable.",
        show_default=False,
    ),
]
OptionalData = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="SOURCE",
        help=f"{_SOURCES}, or a folder written by `serin features`. Repeatable.",
        show_default=False,
    ),
]
Map = Annotated[
    Path | None,
    typer.Option(
        "--map", help="A YAML file: which columns are which, and how they are written; or a preset, like ynab."
    ),
]
Zone = Annotated[
    str | None,
    typer.Option("--zone", metavar="ZONE", help="Time zone of timestamps without an offset; by default UTC."),
]
Registry = Annotated[
    str,
    typer.Option(
        "--registry", metavar="URI", help="Directory, or file://, s3://, gs://, az://, https://.", show_default=False
    ),
]
RUN_HELP = "Name of a run (run_<8 hex>_<time>), its first part run_<8 hex>, or latest."
Run = Annotated[str, typer.Option("--run", metavar="RUN", help=RUN_HELP, show_default=False)]
Since = Annotated[datetime | None, typer.Option("--since", formats=_TIMES, help="Only rows from this time on (UTC).")]
Until = Annotated[datetime | None, typer.Option("--until", formats=_TIMES, help="Only rows before this time (UTC).")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only this many of the newest rows.")]
Seed = Annotated[int, typer.Option("--seed", help="Random seed: the same data and seed give the same result.")]
Calibrate = Annotated[
    bool,
    typer.Option(
        "--calibrate/--no-calibrate", envvar=environment.CALIBRATION.name, help="Fit one isotonic calibrator per class."
    ),
]
SignOption = Annotated[
    Path | None,
    typer.Option(
        "--sign",
        help="Sign the run with this private key, by default that of SERIN_SIGNING_KEY (see `serin runs keygen`).",
        show_default=False,
    ),
]

ProposedModel = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="The SuggestionModel to propose the run to.")
]
ProposedNamespace = Annotated[str, typer.Option("-n", "--namespace", help="Namespace of the SuggestionModel.")]
Apply = Annotated[bool, typer.Option("--apply", help="Propose the run by patching spec.runID of --model.")]
Git = Annotated[Path | None, typer.Option("--git", help="Propose the run by a commit in this Git repository.")]
GitFile = Annotated[
    Path | None, typer.Option("--file", help="With --git: the YAML file, below the repository, that names the run.")
]
GitPush = Annotated[str | None, typer.Option("--push", metavar="REMOTE", help="With --git: push to this remote.")]


class OutputFormat(StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[OutputFormat, typer.Option("-o", "--output", help="Output format.")]


def examples(*commands: str) -> str:
    """Return the epilog of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


@contextmanager
def exit_on_error(command: str) -> Iterator[None]:
    """Print an expected error as one line and exit with its status."""
    from serin_registry.errors import RegistryError

    try:
        yield
    except SourceBrokenError as error:
        message, status = f"serin {command}: {error}", 1
    except (DataError, OptionError) as error:
        message, status = f"serin {command}: {error}", 2
    except ModuleNotFoundError as error:
        extra = "training,statements" if error.name == "bankfile" else "training"
        message, status = f"serin: {command} needs {error.name}: pip install 'serin[{extra}]'", 2
    except (RegistryError, KubernetesApiError, EngineError, GitError, OSError) as error:
        message, status = f"serin {command}: {error}", 1
    else:
        return
    note(message)
    raise typer.Exit(status)


def note(text: str) -> None:
    """Print a note on stderr, without secrets of addresses on the command line."""
    typer.echo(without_secrets(text, *sys.argv[1:]), err=True)


def write_text(path: Path, text: str) -> None:
    """Write a file completely or not at all. Raises OSError."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
