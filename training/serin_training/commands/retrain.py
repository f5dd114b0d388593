"""`serin retrain`."""

from dataclasses import replace
from typing import Annotated

import typer

from serin_training.commands import options
from serin_training.commands.options import examples, exit_on_error, note
from serin_training.commands.progress_display import show_progress

app = typer.Typer()


@app.command(
    name="retrain",
    epilog=examples(
        "serin retrain --data transactions.csv --registry ./registry --dry-run",
        "serin retrain --data transactions.csv --registry ./registry --model categories -n shop --apply",
    ),
)
def retrain_command(  # noqa: PLR0913 - options of the command line, given by name
    data: options.Data,
    registry: options.Registry,
    *,
    run: Annotated[str, typer.Option(metavar="RUN", help="The current run, to compare the new one with.")] = "latest",
    model: options.ProposedModel = None,
    namespace: options.ProposedNamespace = "default",
    apply: options.Apply = False,
    git: options.Git = None,
    file: options.GitFile = None,
    push: options.GitPush = None,
    force: Annotated[bool, typer.Option("--force", help="Train even if there is no reason to.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show whether and why a run would be trained, and train nothing.")
    ] = False,
    data_map: options.Map = None,
    zone: options.Zone = None,
    seed: options.Seed = 0,
    since: options.Since = None,
    calibrate: options.Calibrate = True,
    sign: options.SignOption = None,
) -> None:
    """Train again if needed, and propose the run if it is not worse.

    Reasons: more than 1000 new labels, worse predictions, a new category, or a run older than a month. Without a
    reason nothing is trained, and the exit status is 0. The new run's name goes to stdout.
    """
    with exit_on_error("retrain"), show_progress() as progress:
        from serin_training.commands import inputs, training_setup
        from serin_training.data.data_map import read_map
        from serin_training.registry.keys import read_signing_key, signing_key_of_environment
        from serin_training.registry.publish import publish
        from serin_training.registry.writer import open_existing_registry
        from serin_training.retraining.retrain import CurrentRun, propose, retrain, retraining_reasons
        from serin_training.retraining.targets import LatestOnly, target_of
        from serin_training.run_pipeline import open_run

        target = target_of(namespace=namespace, model=model, apply=apply, git=git, file=file, push=push)
        config = training_setup.training_config(seed=seed, calibrate=calibrate, deploy=isinstance(target, LatestOnly))
        signing_key = signing_key_of_environment() if sign is None else read_signing_key(sign)
        opened = open_existing_registry(registry)
        current = CurrentRun(*open_run(opened, target.current_run() or run))
        loaded = inputs.load_data(data, inputs.window_of(since), read_map(data_map, zone))
        rows, config = loaded.rows, replace(config, assumptions=loaded.assumptions)
        inputs.compare_times(current.stored, rows)
        reasons = retraining_reasons(current, rows, now=config.now, is_forced=force, note=note)
        if not reasons or dry_run:
            return
        retrained = retrain(current, rows, loaded.corpus, config, progress)
        note(retrained.comparison)
        trained = retrained.trained
        html = training_setup.html_report(trained, opened, current.stored.name, with_examples=False)
        where = publish(trained, opened, page=html, sign=signing_key)
        note(training_setup.summary_of(trained, where))
        typer.echo(trained.name)
        propose(retrained, target, reasons, note)
        if retrained.is_good and isinstance(target, LatestOnly):
            note(f"next: {training_setup.rollout_command(trained.name)}")
