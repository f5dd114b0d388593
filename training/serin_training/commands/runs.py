"""serin runs list, show, verify, diff, swap-to, prune, keygen."""

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer
import yaml

from serin_core.model.manifest import RunError, parse_run_name
from serin_registry.errors import GateRefusedError, RegistryError
from serin_registry.latest import swap_to
from serin_registry.verification import StoredRun, read_run, verify_run
from serin_training import kubernetes_client
from serin_training.commands.options import Output, OutputOption, Registry, exit_on_error, say
from serin_training.errors import ClusterError
from serin_training.registry.keys import SIGNING_KEY, generate_keys, read_public_key
from serin_training.registry.writer import Registry as AnyRegistry
from serin_training.registry.writer import open_registry
from serin_training.run_text import differences, table, tell_run

app = typer.Typer()
runs_app = typer.Typer(help="Look at the runs of a registry, compare them, tidy up.", no_args_is_help=True)
app.add_typer(runs_app, name="runs")

_NOTHING_REMOVED = "nothing was removed; --no-cluster removes without asking which runs SuggestionModels name"

Name = Annotated[str, typer.Argument(help="A run's name, run_<8 hex>, or latest.", show_default=False)]


@runs_app.command(name="list")
def list_command(registry: Registry, *, output: OutputOption = Output.TEXT) -> None:
    """List the runs, oldest first; * marks latest."""
    with exit_on_error("runs list"):
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
            say(f"{opened.uri}: no run yet")


@runs_app.command()
def show(run: Name, registry: Registry, *, output: OutputOption = Output.TEXT) -> None:
    """Show one run's report."""
    with exit_on_error("runs show"):
        found = read_run(open_registry(registry), run)
        if output is Output.JSON:
            typer.echo(json.dumps({"digest": found.digest} | found.report.model_dump(), indent=2))
        else:
            typer.echo("\n".join(tell_run(found)))


@runs_app.command()
def verify(
    run: Name,
    registry: Registry,
    *,
    key: Annotated[
        Path | None, typer.Option(help="A public key, signing.pub: the run must be signed by it.", show_default=False)
    ] = None,
) -> None:
    """Check every file against the run's manifest, and who signed that; nothing is opened."""
    with exit_on_error("runs verify"):
        public_key = None if key is None else read_public_key(key)
        found = verify_run(open_registry(registry), run, public_key=public_key or b"")
        signed = "" if key is None else f", signed by the key of {key}"
        typer.echo(f"{found.name}: {len(found.manifest.files)} files as its manifest says, {found.digest}{signed}")


@runs_app.command()
def keygen(
    out: Annotated[Path, typer.Option(help="The folder that signing.key and signing.pub go to.", show_default=False)],
) -> None:
    """Make a key to sign runs with: signing.key for who trains, signing.pub for servers and `runs verify --key`."""
    with exit_on_error("runs keygen"):
        private, public = generate_keys(out)
        typer.echo(private)
        typer.echo(public)
        say(f"{SIGNING_KEY}={private} lets `serin train` sign its runs; whoever has this file can sign too")


@runs_app.command()
def diff(before: Name, after: Name, registry: Registry, *, output: OutputOption = Output.TEXT) -> None:
    """Say what changed from one run to another."""
    with exit_on_error("runs diff"):
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
def swap_to_command(
    run: Name,
    registry: Registry,
    *,
    force: Annotated[bool, typer.Option(help="Also to a run that its acceptance gate refused.")] = False,
) -> None:
    """Let `latest` name another run, after every file of it was checked."""
    with exit_on_error("runs swap-to"):
        try:
            swap = swap_to(run, registry=open_registry(registry), force=force)
        except GateRefusedError as error:
            raise RegistryError(f"{error}; --force lets latest name it all the same") from None
        typer.echo(f"latest: {swap.before or 'none'} -> {swap.after}")


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
    with exit_on_error("runs prune"):
        opened = open_registry(registry)
        candidates = [name for name in opened.runs()[:-keep] if _age_in_days(name) >= older_than]
        kept = _named_somewhere(opened, ask_cluster=ask_cluster)
        for name in candidates:
            if name in kept:
                say(f"{name}: kept, {kept[name]}")
                continue
            if not dry_run:
                opened.delete(name)
            typer.echo(f"{name}: {'would be removed' if dry_run else 'removed'}")


def _named_somewhere(registry: AnyRegistry, *, ask_cluster: bool) -> dict[str, str]:
    """Answer runs that stay, and why. Raises ClusterError where that cannot be known."""
    kept = dict.fromkeys(_named_in_cluster() if ask_cluster else (), "a SuggestionModel names it")
    latest = registry.latest()
    if latest is not None:
        kept[latest] = "latest names it"
    return kept


def _named_in_cluster() -> set[str]:
    try:
        api = kubernetes_client.connect()
        if api is not None:
            return kubernetes_client.named_runs(api)
    except ClusterError as error:
        raise ClusterError(f"{error}; {_NOTHING_REMOVED}") from None
    except (OSError, ValueError, TypeError, AttributeError, KeyError, yaml.YAMLError) as error:
        # What a damaged kubeconfig provokes.
        raise ClusterError(f"the kubeconfig cannot be used ({type(error).__name__}); {_NOTHING_REMOVED}") from None
    # There may be a cluster all the same: the kubeconfig is damaged, or the kubernetes client is not installed.
    where = _kubeconfig()
    if where is not None:
        raise ClusterError(f"the kubeconfig {where} cannot be used; {_NOTHING_REMOVED}")
    say("no kubeconfig: only what latest names is kept")
    return set()


def _kubeconfig() -> str | None:
    named = os.environ.get("KUBECONFIG")
    usual = Path.home() / ".kube" / "config"
    return named or (str(usual) if usual.exists() else None)


def _age_in_days(name: str) -> float:
    try:
        return (time.time() - parse_run_name(name)[1]) / 86_400
    except RunError:
        return 0.0
