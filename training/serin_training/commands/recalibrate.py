"""`serin recalibrate`."""

from typing import Annotated

import typer

from serin_training.commands import options
from serin_training.commands.options import examples, exit_on_error, note

app = typer.Typer()


@app.command(
    name="recalibrate",
    epilog=examples(
        "serin recalibrate --data audited.csv --registry ./registry --dry-run",
        "serin recalibrate --data postgresql://db/serin --registry ./registry --model categories -n shop --apply",
    ),
)
def recalibrate_command(  # noqa: PLR0913 - options of the command line, given by name
    data: options.Sources,
    registry: options.Registry,
    *,
    run: Annotated[str, typer.Option(metavar="RUN", help="The run to recalibrate.")] = "latest",
    model: options.ProposedModel = None,
    namespace: options.ProposedNamespace = "default",
    apply: options.Apply = False,
    git: options.Git = None,
    file: options.GitFile = None,
    push: options.GitPush = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what labels say about the confidence, and store nothing.")
    ] = False,
    data_map: options.Map = None,
    zone: options.Zone = None,
    since: options.Since = None,
    sign: options.SignOption = None,
) -> None:
    """Correct the confidence of a run by labels from service.

    Stores the corrected run under a name of its own, and proposes it. Predictions stay; only their confidence changes.
    With too few labels, or if they would hardly change anything, nothing is stored and the exit status is 0. The new
    run's name goes to stdout.
    """
    with exit_on_error("recalibrate"):
        from serin_training.commands import inputs, training_setup
        from serin_training.data.data_map import read_map
        from serin_training.recalibration import Skipped, recalibrate
        from serin_training.registry.keys import read_signing_key, signing_key_of_environment
        from serin_training.registry.publish import publish_recalibrated
        from serin_training.registry.writer import open_existing_registry
        from serin_training.retraining.targets import LatestOnly, Patch, target_of
        from serin_training.run_pipeline import open_run
        from serin_training.run_text import recalibration_text

        target = target_of(namespace=namespace, model=model, apply=apply, git=git, file=file, push=push)
        config = training_setup.training_config(seed=0, calibrate=True, deploy=isinstance(target, LatestOnly))
        running = target.running() if isinstance(target, Patch) else None
        if running is not None:
            note(f"{namespace}/{model}: skipped: the rollout of {running} is running, and another run would replace it")
            return
        signing_key = signing_key_of_environment() if sign is None else read_signing_key(sign)
        opened = open_existing_registry(registry)
        stored, pipeline = open_run(opened, target.current_run() or run)
        rows = inputs.load_served(data, inputs.window_of(since), read_map(data_map, zone))
        found = recalibrate(stored, pipeline, rows, config)
        if isinstance(found, Skipped):
            note(f"{stored.name}: skipped: {found.reason}")
            return
        summary = recalibration_text(found.recalibration)
        note(f"{stored.name}: {summary}")
        if dry_run:
            return
        where = publish_recalibrated(found, stored, opened, sign=signing_key)
        note(f"{found.name}: stored as {where}")
        typer.echo(found.name)
        done = target.propose(found.name, summary)
        note(done or f"next: {training_setup.rollout_command(found.name)}")
