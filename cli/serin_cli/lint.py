"""The verbs before a cluster: they read a manifest, and ask nobody."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from serin_cli.lint_advice import Finding, Traffic, lint

app = typer.Typer()


class Output(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"


def read_manifests(file: str) -> list[Any]:
    """Read all documents of a YAML file, `-` for standard input; exit 2, with one line, where that cannot be."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        found = [document for document in yaml.safe_load_all(text) if document is not None]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        typer.echo(f"serin: {file}: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from None
    if not found:
        typer.echo(f"serin: {file}: it holds no document", err=True)
        raise typer.Exit(2)
    return found


@app.command(name="lint")
def lint_command(
    file: Annotated[str, typer.Option("-f", "--file", help="The manifest; - reads standard input.")],
    requests_per_second: Annotated[
        float | None, typer.Option(min=0, help="The traffic, to tell whether gates can reach a verdict in time.")
    ] = None,
    users_per_day: Annotated[
        float | None, typer.Option(min=0, help="How many different users make it in a day (a tenth of the requests).")
    ] = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="text or json.")] = Output.TEXT,
) -> None:
    """Check a SuggestionModel before it meets a cluster: exit status 0 if it can be applied, 1 if it cannot."""
    traffic = None
    if requests_per_second is not None:
        a_tenth = requests_per_second * 86_400 / 10
        traffic = Traffic(requests_per_second, a_tenth if users_per_day is None else users_per_day)
    found: list[Finding] = []
    for document in read_manifests(file):
        found += lint(document, traffic)
    if output is Output.JSON:
        typer.echo(
            json.dumps([{"where": f.where, "message": f.message, "isError": f.is_error} for f in found], indent=2)
        )
    else:
        typer.echo("\n".join(map(str, found)) or f"{file}: nothing to complain about")
    if any(one.is_error for one in found):
        raise typer.Exit(1)
