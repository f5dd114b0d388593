"""serin runs list, show, verify, diff, swap-to, prune."""

import json
import time
from typing import Annotated

import typer

from serin_core.runs import RunError, parse_run_name
from serin_training import cluster
from serin_training.commands.options import Output, OutputOption, Registry, complaining, say
from serin_training.errors import RegistryError
from serin_training.registry.registry import Registry as AnyRegistry
from serin_training.registry.registry import open_registry
from serin_training.run_telling import differences, table, tell_run
from serin_training.stored import StoredRun, read_run, verify_run

app = typer.Typer()
runs_app = typer.Typer(help="Look at the runs of a registry, compare them, tidy up.", no_args_is_help=True)
app.add_typer(runs_app, name="runs")

Name = Annotated[str, typer.Argument(help="A run's name, run_<8 hex>, or latest.", show_default=False)]


@runs_app.command(name="list")
def list_command(registry: Registry, *, output: OutputOption = Output.TEXT) -> None:
    """List the runs, oldest first; * marks latest."""
    with complaining("runs list"):
        opened = open_registry(registry)
        latest = opened.latest()
        found: list[StoredRun] = []
        for name in opened.runs():
            try:
                found.append(read_run(opened, name))
            except RegistryError as error:
                say(f"left out: {error}")
        if output is Output.JSON:
            reports = [
                {"run": one.name, "latest": one.name == latest, "digest": one.digest}
                | {
                    key: getattr(one.report, key)
                    for key in ("created_at", "val_f1_macro", "val_f1_min", "passed_acceptance_gate")
                }
                for one in found
            ]
            typer.echo(json.dumps(reports, indent=2))
        elif found:
            typer.echo(table(found, latest=latest))
        else:
            say(f"{registry}: no run yet")


@runs_app.command()
def show(run: Name, registry: Registry, *, output: OutputOption = Output.TEXT) -> None:
    """Show one run's report."""
    with complaining("runs show"):
        found = read_run(open_registry(registry), run)
        if output is Output.JSON:
            typer.echo(json.dumps({"digest": found.digest} | found.report.model_dump(), indent=2))
        else:
            typer.echo("\n".join(tell_run(found)))


@runs_app.command()
def verify(run: Name, registry: Registry) -> None:
    """Check every file against the run's manifest; nothing is opened."""
    with complaining("runs verify"):
        found = verify_run(open_registry(registry), run)
        typer.echo(f"{found.name}: {len(found.manifest.files)} files as its manifest says, {found.digest}")


@runs_app.command()
def diff(before: Name, after: Name, registry: Registry, *, output: OutputOption = Output.TEXT) -> None:
    """Say what changed from one run to another."""
    with complaining("runs diff"):
        opened = open_registry(registry)
        one, other = read_run(opened, before), read_run(opened, after)
        changes = differences(one, other)
        if output is Output.JSON:
            typer.echo(json.dumps([{"what": what, "before": a, "after": b} for what, a, b in changes], indent=2))
        else:
            width = max((len(what) for what, _, _ in changes), default=0)
            typer.echo(f"{one.name} -> {other.name}")
            for what, a, b in changes:
                typer.echo(f"  {what:<{width}}  {a} -> {b}")


@runs_app.command(name="swap-to")
def swap_to(
    run: Name,
    registry: Registry,
    *,
    force: Annotated[bool, typer.Option(help="Also to a run that its acceptance gate refused.")] = False,
) -> None:
    """Let `latest` name another run, after every file of it was checked."""
    with complaining("runs swap-to"):
        opened = open_registry(registry)
        found = verify_run(opened, run)
        if not found.report.passed_acceptance_gate and not force:
            raise RegistryError(f"{found.name}: {found.report.deploy_reason}; --force lets latest name it all the same")
        before = opened.latest()
        opened.point_latest(found.name)
        typer.echo(f"latest: {before or 'none'} -> {found.name}")


@runs_app.command()
def prune(
    registry: Registry,
    *,
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest runs stay.")] = 10,
    older_than: Annotated[float, typer.Option(min=0, help="Only runs older than so many days go.")] = 0,
    dry_run: Annotated[bool, typer.Option(help="Say what would go, and remove nothing.")] = False,
    ask_cluster: Annotated[
        bool, typer.Option("--cluster/--no-cluster", help="Keep what SuggestionModels in reach name.")
    ] = True,
) -> None:
    """Remove old runs; never one that latest or a SuggestionModel in reach names."""
    with complaining("runs prune"):
        opened = open_registry(registry)
        kept = _named_somewhere(opened, ask_cluster=ask_cluster)
        old = [name for name in opened.runs()[:-keep] if _age_in_days(name) >= older_than]
        for name in old:
            if name in kept:
                say(f"{name}: kept, {kept[name]}")
                continue
            if not dry_run:
                opened.delete(name)
            typer.echo(f"{name}: {'would be removed' if dry_run else 'removed'}")


def _named_somewhere(registry: AnyRegistry, *, ask_cluster: bool) -> dict[str, str]:
    kept = {}
    api = cluster.connect() if ask_cluster else None
    if api is not None:
        kept = dict.fromkeys(cluster.named_runs(api), "a SuggestionModel names it")
    elif ask_cluster:
        say("no kubeconfig: only what latest names is kept")
    latest = registry.latest()
    if latest is not None:
        kept[latest] = "latest names it"
    return kept


def _age_in_days(name: str) -> float:
    try:
        return (time.time() - parse_run_name(name)[1]) / 86_400
    except RunError:
        return 0.0
