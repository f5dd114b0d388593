"""`serin backtest`."""

import json
import re
from datetime import UTC, datetime
from typing import Annotated

import typer

from serin_training.commands import options
from serin_training.commands.options import OutputFormat, examples, exit_on_error
from serin_training.commands.progress_display import show_progress
from serin_training.errors import OptionError

app = typer.Typer()


@app.command(
    name="backtest",
    epilog=examples(
        "serin backtest --data transactions.csv --every 3M",
        "serin backtest --data transactions.csv --every 1M --history 24M --from 2026-01-01",
    ),
)
def backtest_command(  # noqa: PLR0913 - options of the command line, given by name
    data: options.Data,
    *,
    every: Annotated[
        str, typer.Option(metavar="MONTHS", help="How often a run is trained, in months, such as 1M or 3M.")
    ] = "3M",
    history: Annotated[
        str | None,
        typer.Option(metavar="MONTHS", help="Train on this many months before a period, such as 36M; by default all."),
    ] = None,
    first: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=["%Y-%m-%d"], help="Begin of the first period (UTC); by default after half of the time."
        ),
    ] = None,
    data_map: options.Map = None,
    zone: options.Zone = None,
    seed: options.Seed = 0,
    calibrate: options.Calibrate = True,
    since: options.Since = None,
    until: options.Until = None,
    limit: options.Limit = None,
    output: options.OutputOption = OutputFormat.TEXT,
) -> None:
    """Show what regular retraining would have given.

    Trains on the past, judges the next period, and moves on; compares each run with that of the first period, which is
    never trained again. Stores nothing.
    """
    with exit_on_error("backtest"), show_progress() as progress:
        from serin_training import backtest_text
        from serin_training.backtest import Schedule, backtest
        from serin_training.commands.inputs import load_rows, window_of
        from serin_training.commands.training_setup import training_config
        from serin_training.data.data_map import read_map

        months = None if history is None else _months("--history", history)
        begin = None if first is None else first.replace(tzinfo=UTC)
        schedule = Schedule(every=_months("--every", every), history=months, first=begin)
        config = training_config(seed=seed, calibrate=calibrate, deploy=False)
        rows = load_rows(data, window_of(since, until, limit), read_map(data_map, zone))
        periods = list(backtest(rows, config, schedule, progress))
        if output is OutputFormat.JSON:
            typer.echo(json.dumps(backtest_text.as_json(periods), indent=2))
        else:
            typer.echo(backtest_text.as_text(periods))


def _months(option: str, text: str) -> int:
    """Return the number of months of a text such as 3M. Raises OptionError."""
    if re.fullmatch("[1-9][0-9]{0,2}M", text) is None:
        raise OptionError(f"{option} {text}: not a number of months; write one like 3M")
    return int(text[:-1])
