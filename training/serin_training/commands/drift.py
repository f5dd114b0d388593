"""serin drift."""

import json
from typing import Any

import typer

from serin_registry.verification import StoredRun
from serin_training.commands.inputs import read_rows
from serin_training.commands.options import (
    Data,
    Limit,
    Moment,
    Output,
    OutputOption,
    Registry,
    Run,
    exit_on_error,
    in_utc,
)
from serin_training.data.rows import Window
from serin_training.data_drift import Drift, drift_of
from serin_training.registry.writer import open_registry
from serin_training.stored_runs import open_run

app = typer.Typer()


@app.command(name="drift")
def drift_command(  # noqa: PLR0913 - options of the command line, given by name
    run: Run,
    data: Data,
    registry: Registry,
    *,
    since: Moment = None,
    until: Moment = None,
    limit: Limit = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say whether newer transactions still look like those that a run was judged by."""
    with exit_on_error("drift"):
        stored, pipeline = open_run(open_registry(registry), run)
        rows = read_rows(data, Window(since=in_utc(since), until=in_utc(until), limit=limit))
        found = drift_of(stored, pipeline, rows)
        if output is Output.JSON:
            typer.echo(json.dumps(_plain(stored, found), indent=2))
        else:
            typer.echo(_told(stored, found))


def _plain(stored: StoredRun, found: Drift) -> dict[str, Any]:
    looks = [
        {
            "what": look.what,
            "before": look.before,
            "now": look.now,
            "p": look.p,
            "size": look.size,
            "most": look.most,
            "moved": look.has_moved,
        }
        for look in found.looks
    ]
    return {"run": stored.name, "rows": found.rows, "verdict": found.verdict.value, "looks": looks}


def _told(stored: StoredRun, found: Drift) -> str:
    lines = [
        f"{stored.name} on {found.rows} rows: {found.verdict.value}",
        f"  {'LOOK':<24} {'BEFORE':>16} {'NOW':>16} {'CHANCE':>8} {'SIZE':>6} {'MOST':>6}",
    ]
    lines += [
        f"{'*' if look.has_moved else ' '} {look.what:<24} {look.before:>16} {look.now:>16} {look.p:>8.2g} "
        f"{look.size:>6.3f} {look.most:>6.2f}"
        for look in found.looks
    ]
    return "\n".join(lines)
