"""serin drift, serin retrain."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from serin_training import cluster
from serin_training.commands.material import read_material, read_rows
from serin_training.commands.options import (
    Data,
    Limit,
    Moment,
    Output,
    OutputOption,
    Registry,
    Run,
    Seed,
    SignOption,
    complaining,
    in_utc,
    say,
)
from serin_training.commands.showing import showing
from serin_training.commands.train import checked_signing_key, limits_of_environment, new_run_id, page_of
from serin_training.drifting import Drift, compare
from serin_training.errors import ClusterError, RegistryError, SettingsError
from serin_training.evaluating import answer
from serin_training.pipeline import Pipeline
from serin_training.profiling import profile
from serin_training.proposing import Proposal, propose
from serin_training.publishing import publish
from serin_training.reading.rows import Labelled, Window
from serin_training.registry.registry import open_registry
from serin_training.retraining import compare_runs, reasons
from serin_training.stored import StoredRun, open_run
from serin_training.training import Wish, train

app = typer.Typer()
_NOTHING = "nothing to do"


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
    with complaining("drift"):
        stored, pipeline = open_run(open_registry(registry), run)
        rows = read_rows(data, Window(since=in_utc(since), until=in_utc(until), limit=limit))
        found = drift_of(stored, pipeline, rows)
        if output is Output.JSON:
            typer.echo(json.dumps(_plain(stored, found), indent=2))
        else:
            typer.echo(_told(stored, found))


def drift_of(stored: StoredRun, pipeline: Pipeline, rows: list[Labelled]) -> Drift:
    """Compare rows with those by which a run was judged. Raises RegistryError."""
    before = stored.report.profile
    if before is None:
        raise RegistryError(f"{stored.name}: its report has no profile of its rows, an older version wrote it")
    answered = answer(pipeline, rows)
    return compare(stored.report, before, profile(pipeline.encoder, answered, edges=before.edges), answered)


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
    with complaining("retrain"), showing() as tell:
        _check_options(model=model, apply=apply, git=git, file=file, push=push)
        limits, key = limits_of_environment(), checked_signing_key(sign)
        opened = open_registry(registry)
        if apply and model is not None:
            run = _stable_run(namespace, model) or run
        stored, pipeline = open_run(opened, run)
        now = datetime.now(UTC)
        rows, corpus = read_material(data, Window(since=in_utc(since)))
        learned_until = datetime.fromisoformat(stored.report.data_to)
        newer = [row for row in rows if row.at > learned_until]
        drift = drift_of(stored, pipeline, newer) if newer and stored.report.profile is not None else None
        why = reasons(stored.report, pipeline.classes, newer, drift, now=now)
        if not why and not force:
            seen = "" if drift is None else f", which look {drift.verdict}"
            say(f"{stored.name}: {_NOTHING}: {len(newer)} new labels{seen}")
            return
        for reason in why or ["it is asked for"]:
            say(f"training again: {reason}")
        if dry_run:
            return
        wish = Wish(run_id=new_run_id(), now=now, seed=seed, deploy=git is None and not apply, limits=limits)
        trained = train(rows, wish, tell, corpus=corpus)
        compared = compare_runs(answer(pipeline, trained.judged.rows), trained.judged, learned_until=learned_until)
        say(str(compared))
        is_good = trained.report.passed_acceptance_gate and compared.is_worth_it
        if not is_good:
            trained = trained.held_back(
                trained.report.deploy_reason
                if not trained.report.passed_acceptance_gate
                else f"it is not as good as {stored.name}: {compared}"
            )
        where = publish(
            trained, opened, page=page_of(trained, opened, stored.name, with_examples=False), signing_key=key
        )
        say(f"stored as {where}")
        typer.echo(trained.name)
        if not is_good:
            say(f"{trained.name}: not proposed: {trained.report.deploy_reason}")
        elif apply and model is not None:
            cluster.name_run(cluster.connected(), namespace, model, trained.name)
            say(f"{namespace}/{model}: spec.runID is {trained.name}")
        elif git is not None and file is not None:
            message = f"{model or 'SuggestionModel'}: roll out {trained.name}\n\n" + "\n".join([*why, str(compared)])
            commit = propose(Proposal(git, file, model, trained.name, message), push=push)
            say(f"{git}: commit {commit[:12]} on branch serin/{trained.name}")


def _check_options(*, model: str | None, apply: bool, git: Path | None, file: Path | None, push: str | None) -> None:
    if apply and git is not None:
        raise SettingsError("--apply and --git: the run is proposed in one place only")
    if apply and model is None:
        raise SettingsError("--apply: name the SuggestionModel with --model")
    if (git is None) != (file is None):
        raise SettingsError("--git and --file belong together: the repository, and the YAML file that names the run")
    if push is not None and git is None:
        raise SettingsError("--push: only a commit can be pushed; add --git and --file")


def _stable_run(namespace: str, model: str) -> str | None:
    """Answer the run that users trust now, None while the rules answer. Refuses early what --apply would refuse."""
    found = cluster.read_model(cluster.connected(), namespace, model)
    owner = cluster.argocd_application(found)
    if owner is not None:
        raise ClusterError(cluster.of_argocd(namespace, model, owner))
    stable = found.get("status", {}).get("stable") or {}
    return stable.get("runID")
