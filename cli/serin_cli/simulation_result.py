"""The result of `serin simulate` and `serin replay`: played on all cores, printed, and written as a page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from serin_cli.options import Output, refuse
from serin_cli.simulation_page import render
from serin_cli.simulation_pool import play_all
from serin_cli.simulation_text import as_json, as_text
from serin_simulation.summary import Summary, summarize


def play_and_summarize(plans: Mapping[str, Any], *, rollouts: int, jobs: int | None) -> list[Summary]:
    """Play all plans and summarize each. Exits with status 130 on Ctrl-C."""
    try:
        outcomes = play_all(dict(plans), rollouts=rollouts, jobs=jobs)
    except KeyboardInterrupt:
        typer.echo("serin: stopped", err=True)
        raise typer.Exit(130) from None
    return [summarize(rule, found) for rule, found in outcomes.items()]


def present(  # noqa: PLR0913 - shared by two commands, given by name
    found: Sequence[Summary],
    *,
    parameters: Mapping[str, Any],
    title: str,
    head: str,
    notes: Sequence[str],
    output: Output,
    page: Path | None,
) -> None:
    """Print the result and write the page."""
    if page is not None:
        try:
            page.write_text(render(found, title=title, head=head, notes=notes), encoding="utf-8")
        except OSError as error:
            refuse(f"{page}: {(error.strerror or str(error)).lower()}")
    typer.echo(json.dumps(as_json(found, parameters), indent=2) if output is Output.JSON else as_text(found, head))
