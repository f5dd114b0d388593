"""serin retrain."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from serin_training.commands.inputs import read_material
from serin_training.commands.options import (
    Data,
    Moment,
    Registry,
    Seed,
    SignOption,
    exit_on_error,
    in_utc,
    say,
)
from serin_training.commands.progress_display import showing
from serin_training.commands.train import checked_signing_key, limits_of_environment, new_run_id, page_of
from serin_training.data.rows import Window
from serin_training.registry.publish import publish
from serin_training.registry.writer import open_registry
from serin_training.retraining.retrain import Material, Present, propose, train_again, why_again
from serin_training.retraining.targets import Latest, destination_of
from serin_training.stored_runs import open_run
from serin_training.training import TrainingConfig

app = typer.Typer()


@app.command(name="retrain")
def retrain_command(  # noqa: PLR0913 - options of the command line, given by name
    data: Data,
    registry: Registry,
    *,
    run: Annotated[str, typer.Option(help="The run that is trusted now.")] = "latest",
    model: Annotated[str | None, typer.Option(help="The SuggestionModel that the run is proposed to.")] = None,
    namespace: Annotated[str, typer.Option("-n", "--namespace", help="Its namespace.")] = "default",
    apply: Annotated[bool, typer.Option("--apply", help="Propose by a patch of its runID.")] = False,
    git: Annotated[Path | None, typer.Option(help="Propose by a commit on a branch of this repository.")] = None,
    file: Annotated[Path | None, typer.Option(help="The YAML file below it that names the run.")] = None,
    push: Annotated[str | None, typer.Option(help="Push the branch to this remote.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Train whether there is a reason or not.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and train nothing.")] = False,
    seed: Seed = 0,
    since: Moment = None,
    sign: SignOption = None,
) -> None:
    """Train again where there is a reason to, and propose the run where it is as good as the present one.

    Reasons: more than 1000 new labels, answers that have become worse, new categories, a month gone. With nothing to do
    it says so and ends with 0.
    """
    with exit_on_error("retrain"), showing() as tell:
        where = destination_of(namespace=namespace, model=model, apply=apply, git=git, file=file, push=push)
        limits, key = limits_of_environment(), checked_signing_key(sign)
        opened = open_registry(registry)
        present = Present(*open_run(opened, where.present_run() or run))
        now = datetime.now(UTC)
        material = Material(*read_material(data, Window(since=in_utc(since))))
        why = why_again(present, material, now=now, is_forced=force, say=say)
        if not why or dry_run:
            return
        deploy = isinstance(where, Latest)
        wish = TrainingConfig(run_id=new_run_id(), now=now, seed=seed, deploy=deploy, limits=limits)
        candidate = train_again(present, material, wish, tell)
        say(candidate.compared)
        page = page_of(candidate.trained, opened, present.stored.name, with_examples=False)
        say(f"stored as {publish(candidate.trained, opened, page=page, signing_key=key)}")
        typer.echo(candidate.trained.name)
        propose(candidate, where, why, say)
