"""The learning side's commands of the one program `serin`: train, generate, rules suggest.

Results go to stdout, progress and complaints to stderr. Exit status 0 done (also when the acceptance gate holds a run
back: that is an answer), 1 it failed, 2 wrong usage or data that cannot be used.
"""

import csv
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer
import yaml

from serin_core.acceptance import Limits
from serin_training.errors import DataError, PublishingError, SettingsError
from serin_training.generator import Made, generate
from serin_training.publishing import publish
from serin_training.reading import Window, read_transactions
from serin_training.rule_mining import suggest_rules
from serin_training.training import Wish, train

app = typer.Typer()
rules_app = typer.Typer(help="Work with rules, the floor below every model.", no_args_is_help=True)
app.add_typer(rules_app, name="rules")

Data = Annotated[
    Path, typer.Option("--data", help="A CSV of labelled transactions, plain or gzip.", show_default=False)
]
Moment = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])]


@contextmanager
def _complaining(command: str) -> Iterator[None]:
    """Turn this room's errors into one line and an exit status."""
    try:
        yield
    except (DataError, SettingsError) as error:
        typer.echo(f"serin {command}: {error}", err=True)
        raise typer.Exit(2) from None
    except (PublishingError, OSError) as error:
        typer.echo(f"serin {command}: {error}", err=True)
        raise typer.Exit(1) from None


def _say(text: str) -> None:
    typer.echo(text, err=True)


@app.command(name="train")
def train_command(  # noqa: PLR0913 - each one is an option of the command line, given by name
    data: Data,
    *,
    registry: Annotated[Path | None, typer.Option(help="Where the run is stored; without it nothing is.")] = None,
    seed: Annotated[int, typer.Option(help="The same data and seed give the same model.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many of the newest rows.")] = None,
    since: Moment = None,
    until: Moment = None,
    calibrate: Annotated[bool, typer.Option(help="Fit isotonic calibrators, one a class.")] = True,
    deploy: Annotated[bool, typer.Option(help="Let `latest` point at the run if the acceptance gate passes.")] = True,
) -> None:
    """Train a run, judge it on the newest rows, and print its report as JSON."""
    with _complaining("train"):
        rows = read_transactions(data, Window(since=_in_utc(since), until=_in_utc(until), limit=limit))
        _say(f"{data}: {len(rows)} labelled transactions, {rows[0].at:%Y-%m-%d} to {rows[-1].at:%Y-%m-%d}")
        wish = Wish(
            run_id=f"run_{secrets.token_hex(4)}",
            now=datetime.now(UTC),
            seed=seed,
            calibrate=calibrate,
            deploy=deploy and registry is not None,
            limits=_limits(),
        )
        trained = train(rows, wish, _say)
        if registry is not None:
            _say(f"stored as {publish(trained, registry)}; {trained.report.deploy_reason}")
        typer.echo(trained.report.model_dump_json(indent=2))


def _in_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _limits() -> Limits:
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


@rules_app.command(name="suggest")
def suggest_command(
    data: Data,
    *,
    out: Annotated[Path | None, typer.Option(help="Where the rules go; standard output without it.")] = None,
    least_rows: Annotated[int, typer.Option(min=1, help="A keyword must stand in so many rows.")] = 40,
    purity: Annotated[float, typer.Option(min=0.5, max=1, help="So many of these must be of one class.")] = 0.95,
) -> None:
    """Make a rules file from frequent merchants whose transactions are nearly all of one class."""
    with _complaining("rules suggest"):
        rows = read_transactions(data)
        rules = suggest_rules(rows, least_rows=least_rows, purity=purity)
        text = yaml.safe_dump(rules.to_mapping(), sort_keys=False, allow_unicode=True, width=110)
        if out is None:
            typer.echo(text, nl=False)
        else:
            _write(out, text)
        matched = [(rules.match(row.transaction), row.category) for row in rows[-2000:]]
        found = [(match.label, category) for match, category in matched if match is not None]
        right = sum(label == category for label, category in found)
        keywords = sum(map(len, rules.classes.values()))
        share = f"{right / len(found):.1%}" if found else "none"
        _say(f"{keywords} keywords; of the newest {len(matched)} rows {len(found)} match, {share} of these are right")


@app.command(name="generate")
def generate_command(
    *,
    rows: Annotated[int, typer.Option(min=1, help="How many transactions.")] = 30_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same transactions.")] = 0,
    months: Annotated[int, typer.Option(min=1, help="Over how many months they spread.")] = 18,
    out: Annotated[Path | None, typer.Option(help="Where the CSV goes; standard output without it.")] = None,
) -> None:
    """Make transactions up that look like real ones, for trying things out."""
    with _complaining("generate"):
        made = generate(rows=rows, seed=seed, months=months)
        if out is None:
            _write_csv(sys.stdout, made)
            return
        unfinished = out.with_name(f".{out.name}.unfinished")
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            _write_csv(file, made)
        unfinished.replace(out)
        _say(f"{out}: {rows} transactions")


def _write_csv(file: TextIO, made: Iterator[Made]) -> None:
    writer = csv.DictWriter(file, list(Made.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(one) for one in made)


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
