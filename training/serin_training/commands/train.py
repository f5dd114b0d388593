"""serin train, serin features."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import yaml

from serin_core.contract import environment
from serin_core.contract.addresses import display_address
from serin_core.model.acceptance import Limits
from serin_core.model.keyword_rules import Rules, RulesError
from serin_registry.verification import read_run
from serin_training.commands.inputs import read_material
from serin_training.commands.options import (
    Data,
    Limit,
    Moment,
    Seed,
    SignOption,
    exit_on_error,
    in_utc,
    say,
    write_text,
)
from serin_training.commands.progress_display import showing
from serin_training.data.reading import open_source
from serin_training.data.rows import LabelledTransaction, Window
from serin_training.engines.engine import Engine
from serin_training.engines.local import LocalEngine
from serin_training.errors import SettingsError
from serin_training.features.store import FeatureStore
from serin_training.progress import Finished, Progress
from serin_training.registry.keys import read_signing_key, signing_key_of_environment
from serin_training.registry.publish import publish
from serin_training.registry.writer import Registry, open_registry
from serin_training.training import TrainedRun, TrainingConfig, train

app = typer.Typer()


class EngineName(StrEnum):
    """Where the heavy parts run."""

    LOCAL = "local"
    DASK = "dask"


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
    sign: SignOption = None,
    rules: Annotated[Path | None, typer.Option(help="The rules file: say which categories have no rule.")] = None,
    engine: Annotated[EngineName, typer.Option(help="Train on this machine, or on a Dask cluster.")] = EngineName.LOCAL,
    scheduler: Annotated[
        str | None, typer.Option(help="The Dask scheduler, tcp://HOST:8786; without it two processes here.")
    ] = None,
) -> None:
    """Train a run, judge it on the newest rows, and print its report as JSON."""
    with exit_on_error("train"), showing() as tell, engine_of(engine, scheduler) as used:
        opened = None if registry is None or dry_run else open_registry(registry)
        limits = limits_of_environment()
        key = checked_signing_key(sign)
        # Asked before a long training, so that a registry which is not there is told at once.
        before = None if opened is None else opened.latest()
        rows, corpus = read_material(data, Window(since=in_utc(since), until=in_utc(until), limit=limit))
        if rules is not None:
            _say_what_has_no_rule(rows, rules)
        wish = TrainingConfig(
            run_id=new_run_id(),
            now=datetime.now(UTC),
            seed=seed,
            calibrate=calibrate,
            deploy=deploy and opened is not None,
            limits=limits,
        )
        trained = train(rows, wish, tell, engine=used, corpus=corpus)
        if opened is not None:
            where = publish(
                trained, opened, page=page_of(trained, opened, before, with_examples=False), signing_key=key
            )
            say(f"stored as {where}; {trained.report.deploy_reason}")
        if page is not None:
            write_text(page, page_of(trained, opened, before, with_examples=examples))
            say(f"page: {page}")
        typer.echo(trained.report.model_dump_json(indent=2, exclude={"profile"}))


@app.command(name="features")
def features_command(
    data: Data,
    *,
    out: Annotated[Path, typer.Option(help="The folder of features; made where it is not there.")] = Path("features"),
) -> None:
    """Look up the words of all transactions once, and keep them; a second time only what is new or has changed."""
    with exit_on_error("features"), showing() as tell:
        sources = [open_source(one) for one in data]
        found = FeatureStore(out).update(sources, lambda rows: tell(Progress("features", rows, 0, "rows")))
        told = (
            f"nothing has changed, {found.rows} rows"
            if found.is_nothing
            else f"{found.new} new, {found.changed} changed, {found.gone} gone; now {found.rows} rows"
        )
        tell(Finished("features", f"{out}: {told}"))


@contextmanager
def engine_of(name: EngineName, scheduler: str | None) -> Iterator[Engine]:
    """Answer where to train, as long as it is needed. Raises SettingsError, EngineError."""
    match name:
        case EngineName.LOCAL if scheduler is not None:
            raise SettingsError(
                f"--scheduler {display_address(scheduler)}: only the engine dask has a scheduler; add --engine dask"
            )
        case EngineName.LOCAL:
            yield LocalEngine()
        case EngineName.DASK:
            # It takes a second to import, and its extra may not be installed.
            from serin_training.engines.dask_cluster import connect  # noqa: PLC0415

            with connect(scheduler) as engine:
                yield engine


def checked_signing_key(given: Path | None) -> Path | None:
    """Answer the key file to sign with, read once before a long training. Raises SettingsError."""
    key = given or signing_key_of_environment()
    if key is not None:
        read_signing_key(key)
    return key


def new_run_id() -> str:
    """Answer a name for a new run."""
    return f"run_{secrets.token_hex(4)}"


def page_of(trained: TrainedRun, registry: Registry | None, before: str | None, *, with_examples: bool) -> str:
    """Answer the page of a run, beside the run that `latest` named before."""
    # Its pictures take a second to import; other commands do without them.
    from serin_training.html_report.page import Look, render  # noqa: PLC0415

    stable = None if registry is None or before is None else read_run(registry, before).report
    return render(Look(trained.report, trained.judged, trained.merchants, stable=stable, with_examples=with_examples))


def _say_what_has_no_rule(rows: list[LabelledTransaction], path: Path) -> None:
    try:
        rules = Rules.parse(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, UnicodeDecodeError, RulesError) as error:
        raise SettingsError(f"{path}: {' '.join(str(error).split())[:200]}") from None
    without = sorted({row.category for row in rows} - set(rules.classes))
    if without:
        say(f"{path}: no rule for {', '.join(without)}: nothing answers for the model there")


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
        f1_macro=share(environment.DEPLOY_F1.name, standard.f1_macro),
        f1_min=share(environment.DEPLOY_F1_MIN.name, standard.f1_min),
    )
