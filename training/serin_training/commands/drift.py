"""`serin drift`."""

import json
from typing import TYPE_CHECKING

import typer

from serin_training.commands import options
from serin_training.commands.options import OutputFormat, examples, exit_on_error

if TYPE_CHECKING:
    from serin_training.data_drift import DriftVerdict

app = typer.Typer()


@app.command(
    name="drift",
    epilog=examples("serin drift --run latest --data new.csv --registry ./registry --since 2026-01-01"),
)
def drift_command(  # noqa: PLR0913 - options of the command line, given by name
    run: options.Run,
    data: options.Data,
    registry: options.Registry,
    *,
    data_map: options.Map = None,
    zone: options.Zone = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: options.Limit = None,
    output: options.OutputOption = OutputFormat.TEXT,
) -> None:
    """Compare newer transactions with the data a run was evaluated on.

    The verdict is stable, moved (the data differ, the predictions are as good), worse (the predictions are worse), or
    too few rows to tell. A check has drifted if its p-value is significant and its statistic exceeds the limit.

    Exit status: 0 stable, 7 moved or worse, 8 too few rows to tell, 1 failed, 2 wrong usage or unusable data.
    """
    with exit_on_error("drift"):
        from serin_training import drift_text
        from serin_training.commands.inputs import compare_times, load_rows, window_of
        from serin_training.data.data_map import read_map
        from serin_training.data_drift import drift_of
        from serin_training.registry.writer import open_existing_registry
        from serin_training.run_pipeline import open_run

        stored, pipeline = open_run(open_existing_registry(registry), run)
        rows = load_rows(data, window_of(since, until, limit), read_map(data_map, zone))
        compare_times(stored, rows)
        drift = drift_of(stored, pipeline, rows)
        if output is OutputFormat.JSON:
            typer.echo(json.dumps(drift_text.as_json(stored.name, drift), indent=2))
        else:
            typer.echo(drift_text.as_text(stored.name, drift))
        status = exit_status(drift.verdict)
        if status:
            raise typer.Exit(status)


def exit_status(verdict: "DriftVerdict") -> int:
    """Return the exit status of a verdict. No other command of `serin` has 7 or 8 (docs/commands.md)."""
    from serin_training.data_drift import DriftVerdict

    match verdict:
        case DriftVerdict.STABLE:
            return 0
        case DriftVerdict.MOVED | DriftVerdict.WORSE:
            return 7
        case DriftVerdict.TOO_FEW_ROWS:
            return 8
