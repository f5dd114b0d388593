"""Options that several commands share, and how a command ends with an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final, Literal, NoReturn

import typer

from serin_cli.exit_codes import ExitCode
from serin_core.contract import names
from serin_core.text_tables import printable

_KINDS: Final = {
    "sgm",
    "suggestionmodel",
    names.PLURAL,
    f"suggestionmodel.{names.GROUP}",
    f"{names.PLURAL}.{names.GROUP}",
}


def bare_name(given: str | None) -> str | None:
    """Return NAME of `NAME`, `sgm/NAME` or `suggestionmodel/NAME`. Raises BadParameter for another kind."""
    if given is None:
        return None
    kind, slash, name = given.rpartition("/")
    if slash and kind.lower() not in _KINDS:
        raise typer.BadParameter(f"{given!r} is not a SuggestionModel; write NAME or sgm/NAME")
    return name


Name = Annotated[
    str, typer.Argument(help="Name of the SuggestionModel: NAME or sgm/NAME.", callback=bare_name, show_default=False)
]
Reason = Annotated[str, typer.Option("--reason", help="Reason, recorded in the history and in the Event.")]
Output = Literal["text", "json"]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="Output format: text or json.")]
Manifest = Annotated[str, typer.Option("-f", "--file", help="YAML file with the manifest; - reads standard input.")]


def seconds(text: object) -> float:
    """Return the seconds of `90`, `90s` or `1h30m`. Raises BadParameter."""
    # Imported here: most commands start without Pydantic.
    from serin_core.api.durations import parse_duration  # noqa: PLC0415

    try:
        return float(str(text))
    except ValueError:
        pass
    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def examples(*commands: str) -> str:
    """Return the examples of a command as the end of its help."""
    return "\b\n" + "\n".join(("Examples:", *(f"  {command}" for command in commands)))


def show(text: str, *, err: bool = False) -> None:
    """Print lines. What others wrote into them cannot move the cursor or change colours."""
    typer.echo("\n".join(map(printable, text.split("\n"))), err=err)


def fail(message: object, code: ExitCode = ExitCode.FAILED) -> typer.Exit:
    """Print an error and return the exit with its status, to be raised."""
    show(f"serin: {message}", err=True)
    return typer.Exit(code)


def refuse(message: object) -> NoReturn:
    """Exit with an error for wrong usage: one line and status 2."""
    show(f"serin: {message}", err=True)
    raise typer.Exit(ExitCode.USAGE)


@contextmanager
def file_errors(file: object) -> Iterator[None]:
    """Exit with status 2 and one line if a file cannot be read or written."""
    try:
        yield
    except UnicodeDecodeError:
        refuse(f"{file}: not UTF-8 text")
    except OSError as error:
        refuse(f"{file}: {(error.strerror or str(error)).lower()}")
