"""serin train."""

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from serin_core.acceptance import Limits
from serin_training.commands.options import Data, Limit, Moment, Seed, complaining, in_utc, say, write_text
from serin_training.errors import SettingsError
from serin_training.publishing import publish
from serin_training.reading.reading import read_transactions
from serin_training.reading.rows import Window
from serin_training.registry.registry import Registry, open_registry
from serin_training.stored import read_run
from serin_training.training import TrainedRun, Wish, train

app = typer.Typer()


@app.command(name="train")
def train_command(  # noqa: PLR0913 - each one is an option of the command line, given by name
    data: Data,
    *,
    registry: Annotated[
        str | None, typer.Option(help="Where the run is stored (a directory or s3://...); without it nothing is.")
    ] = None,
    seed: Seed = 0,
    limit: Limit = None,
    since: Moment = None,
    until: Moment = None,
    calibrate: Annotated[bool, typer.Option(help="Fit isotonic calibrators, one a class.")] = True,
    deploy: Annotated[bool, typer.Option(help="Let `latest` name the run if the acceptance gate passes.")] = True,
    dry_run: Annotated[bool, typer.Option(help="Train and judge, and store nothing.")] = False,
    page: Annotated[Path | None, typer.Option(help="Where the report goes as an HTML page.")] = None,
    examples: Annotated[bool, typer.Option(help="Show texts of transactions in the page.")] = True,
) -> None:
    """Train a run, judge it on the newest rows, and print its report as JSON."""
    with complaining("train"):
        opened = None if registry is None or dry_run else open_registry(registry)
        rows = read_transactions(data, Window(since=in_utc(since), until=in_utc(until), limit=limit))
        say(f"{data}: {len(rows)} labelled transactions, {rows[0].at:%Y-%m-%d} to {rows[-1].at:%Y-%m-%d}")
        wish = Wish(
            run_id=f"run_{secrets.token_hex(4)}",
            now=datetime.now(UTC),
            seed=seed,
            calibrate=calibrate,
            deploy=deploy and opened is not None,
            limits=limits_of_environment(),
        )
        trained = train(rows, wish, say)
        before = None if opened is None or page is None else opened.latest()
        if opened is not None:
            say(f"stored as {publish(trained, opened)}; {trained.report.deploy_reason}")
        if page is not None:
            write_text(page, _page(trained, opened, before, with_examples=examples))
            say(f"page: {page}")
        typer.echo(trained.report.model_dump_json(indent=2))


def _page(trained: TrainedRun, registry: Registry | None, before: str | None, *, with_examples: bool) -> str:
    # Its pictures take a second to import; other commands do without them.
    from serin_training.page.page import Look, render  # noqa: PLC0415

    stable = None if registry is None or before is None else read_run(registry, before).report
    return render(Look(trained.report, trained.judged, trained.merchants, stable=stable, with_examples=with_examples))


def limits_of_environment() -> Limits:
    """Read the runbook's limits from the environment. Raises SettingsError."""

    def share(name: str, default: float) -> float:
        text = os.environ.get(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise SettingsError(f"{name} is {text!r}; it must be a number from 0 to 1")
        return value

    standard = Limits()
    return Limits(
        f1_macro=share("ML_DEPLOY_THRESHOLD_F1", standard.f1_macro),
        f1_min=share("ML_DEPLOY_THRESHOLD_F1_MIN", standard.f1_min),
    )
