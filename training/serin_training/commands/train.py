"""`serin train` and `serin features`."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serin_training.commands import options
from serin_training.commands.options import OutputFormat, examples, exit_on_error, note, write_text
from serin_training.commands.progress_display import show_progress
from serin_training.errors import OptionError
from serin_training.progress import Finished, Progress

if TYPE_CHECKING:
    from serin_training.commands.inputs import Loaded
    from serin_training.data.rows import LabelledTransaction
    from serin_training.engines.local import LocalEngine
    from serin_training.training import TrainingConfig

app = typer.Typer()


class EngineName(StrEnum):
    """Where the heavy parts run."""

    LOCAL = "local"
    DASK = "dask"


@app.command(
    name="train",
    epilog=examples(
        "serin generate --rows 30000 --out transactions.csv",
        "serin train --data transactions.csv --registry ./registry",
    ),
)
def train_command(  # noqa: PLR0913 - options of the command line, given by name
    data: options.Data,
    *,
    registry: Annotated[
        str | None, typer.Option(metavar="URI", help="Store the run here (directory, s3://...); by default nowhere.")
    ] = None,
    data_map: options.Map = None,
    zone: options.Zone = None,
    seed: options.Seed = 0,
    limit: options.Limit = None,
    since: options.Since = None,
    until: options.Until = None,
    calibrate: options.Calibrate = True,
    deploy: Annotated[bool, typer.Option(help="Point `latest` at the run if the acceptance gate passes.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Train and evaluate, but store nothing.")] = False,
    page: Annotated[Path | None, typer.Option(help="Also write the HTML report to this file.")] = None,
    page_examples: Annotated[
        bool, typer.Option("--examples/--no-examples", help="Show texts of misclassified transactions in --page.")
    ] = True,
    sign: options.SignOption = None,
    rules: Annotated[Path | None, typer.Option(help="A rules file: report categories that have no rule.")] = None,
    engine: Annotated[EngineName, typer.Option(help="Train on this machine or on a Dask cluster.")] = EngineName.LOCAL,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of the Dask scheduler, tcp://HOST:8786; by default two local processes."),
    ] = None,
    output: options.OutputOption = OutputFormat.TEXT,
) -> None:
    """Train a model and register the run.

    The run is evaluated on the newest rows; its report goes to stdout, with what more labels would give. A run that
    does not pass the acceptance gate is stored as well, but `latest` does not move to it. ML_DEPLOY_THRESHOLD_F1 and
    ML_DEPLOY_THRESHOLD_F1_MIN set the minimum macro F1 and the minimum F1 of the worst class.
    """
    with exit_on_error("train"), show_progress() as progress, open_engine(engine, scheduler) as used:
        from serin_training.commands import inputs, training_setup
        from serin_training.data.data_map import read_map
        from serin_training.registry.keys import read_signing_key, signing_key_of_environment
        from serin_training.registry.publish import publish
        from serin_training.registry.writer import open_registry
        from serin_training.run_text import displayed, report_text
        from serin_training.splits import MIN_ROWS
        from serin_training.training import train

        opened = None if registry is None or dry_run else open_registry(registry)
        config = training_setup.training_config(seed=seed, calibrate=calibrate, deploy=deploy and opened is not None)
        signing_key = signing_key_of_environment() if sign is None else read_signing_key(sign)
        # Read before a long training, so that an unreachable registry is reported at once.
        previous = None if opened is None else opened.latest()
        loaded = inputs.load_data(data, inputs.window_of(since, until, limit), read_map(data_map, zone))
        if rules is not None:
            _report_missing_rules(loaded.rows, rules)
        config = replace(config, assumptions=loaded.assumptions)
        if len(loaded.rows) < MIN_ROWS:
            _show_expected(loaded, config, used, output)
        trained = train(loaded.rows, config, progress, engine=used, corpus=loaded.corpus)
        where = None
        if opened is not None:
            html = training_setup.html_report(trained, opened, previous, with_examples=False)
            where = publish(trained, opened, page=html, sign=signing_key)
        if page is not None:
            html = training_setup.html_report(trained, opened, previous, with_examples=page_examples)
            write_text(page, html)
        if output is OutputFormat.JSON:
            typer.echo(json.dumps(displayed(trained.report), indent=2))
        else:
            typer.echo("\n".join(report_text(trained.report)))
        note(training_setup.summary_of(trained, where))
        if where is not None:
            note(f"next: {training_setup.next_command(trained)}")


@app.command(
    name="features",
    epilog=examples(
        "serin features --data transactions.csv --out features", "serin train --data features --registry ./registry"
    ),
)
def features_command(
    data: options.Sources,
    *,
    out: Annotated[Path, typer.Option(help="The folder; created if it does not exist.")] = Path("features"),
    data_map: options.Map = None,
    zone: options.Zone = None,
) -> None:
    """Extract text features once and cache them.

    A second time only new and changed rows are read. Pass the folder to other commands with --data.
    """
    with exit_on_error("features"), show_progress() as progress:
        from serin_training.data.data_map import read_map
        from serin_training.data.reading import open_source
        from serin_training.features.store import FeatureStore

        mapped = read_map(data_map, zone)
        sources = [open_source(one, mapped) for one in data]
        update = FeatureStore(out).update(sources, lambda rows: progress(Progress("features", rows, 0, "rows")))
        progress(Finished("features", f"{out}: {update}"))


@contextmanager
def open_engine(name: EngineName, scheduler: str | None) -> Iterator["LocalEngine"]:
    """Yield the engine to train with. Raises OptionError, EngineError."""
    match name:
        case EngineName.LOCAL if scheduler is not None:
            from serin_core.contract.addresses import display_address

            raise OptionError(
                f"--scheduler {display_address(scheduler)}: only the engine dask has a scheduler; add --engine dask"
            )
        case EngineName.LOCAL:
            from serin_training.engines.local import LocalEngine

            yield LocalEngine()
        case EngineName.DASK:
            from serin_training.engines.dask_cluster import connect

            with connect(scheduler) as engine:
                yield engine


def _show_expected(loaded: "Loaded", config: "TrainingConfig", engine: "LocalEngine", output: OutputFormat) -> None:
    """Print what more labels would give if the rows are too few to train on."""
    from serin_training.run_text import class_table, curve_text
    from serin_training.training import expect

    curve = expect(loaded.rows, config, engine=engine, corpus=loaded.corpus)
    if curve is None:
        return
    if output is OutputFormat.JSON:
        typer.echo(json.dumps({"learning_curve": curve.model_dump()}, indent=2))
    else:
        typer.echo("\n".join([*curve_text(curve), *class_table(curve)]))


def _report_missing_rules(rows: Sequence["LabelledTransaction"], path: Path) -> None:
    import yaml

    from serin_core.model.keyword_rules import Rules, RulesError
    from serin_core.yaml_text import load_yaml

    try:
        rules = Rules.parse(load_yaml(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, UnicodeDecodeError, RulesError) as error:
        raise OptionError(f"{path}: {' '.join(str(error).split())[:200]}") from None
    without = sorted({row.category for row in rows} - set(rules.classes))
    if without:
        note(f"{path}: no rule for {', '.join(without)}; nothing is suggested there when the model does not answer")
