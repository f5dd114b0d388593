"""`serin runs`: list, show, verify, diff, swap-to, prune, keygen."""

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serin_training.commands import options
from serin_training.commands.options import OutputFormat, examples, exit_on_error, note
from serin_training.errors import KubernetesApiError

if TYPE_CHECKING:
    from serin_training.registry.writer import Registry as RunRegistry

app = typer.Typer()
runs_app = typer.Typer(
    help="List, show, compare, verify and prune runs of a registry.",
    no_args_is_help=True,
    epilog=examples("serin runs list --registry ./registry", "serin runs show latest --registry ./registry"),
)
app.add_typer(runs_app, name="runs")

_NOTHING_REMOVED = "nothing was removed; --no-cluster removes without checking which runs SuggestionModels reference"

Name = Annotated[str, typer.Argument(metavar="RUN", help=options.RUN_HELP, show_default=False)]


@runs_app.command(name="list", epilog=examples("serin runs list --registry s3://models/categories"))
def list_command(registry: options.Registry, *, output: options.OutputOption = OutputFormat.TEXT) -> None:
    """List the runs, oldest first; * marks latest."""
    with exit_on_error("runs list"):
        from serin_registry.errors import RegistryError
        from serin_registry.verification import read_run
        from serin_training.registry.writer import open_existing_registry
        from serin_training.run_text import run_row, runs_table

        opened = open_existing_registry(registry)
        latest = opened.latest()
        rows: list[list[str]] = []
        listed: list[dict[str, Any]] = []
        for name in opened.runs():
            try:
                run = read_run(opened, name)
            except RegistryError as error:
                note(f"skipped: {error}")
                continue
            # Only what is shown is kept: with ten thousand runs the reports would need gigabytes.
            if output is OutputFormat.JSON:
                shown = ("created_at", "val_f1_macro", "val_f1_min", "passed_acceptance_gate")
                listed.append(
                    {"run": run.name, "latest": run.name == latest, "digest": run.digest}
                    | {key: getattr(run.report, key) for key in shown}
                )
            else:
                rows.append(run_row(run, latest=latest))
        if output is OutputFormat.JSON:
            typer.echo(json.dumps(listed, indent=2))
        elif rows:
            typer.echo(runs_table(rows))
        else:
            note(f"{opened.uri}: no runs found")


@runs_app.command(epilog=examples("serin runs show latest --registry ./registry"))
def show(run: Name, registry: options.Registry, *, output: options.OutputOption = OutputFormat.TEXT) -> None:
    """Show the report of a run."""
    with exit_on_error("runs show"):
        from serin_registry.verification import read_run
        from serin_training.registry.writer import open_existing_registry
        from serin_training.run_text import displayed, run_text

        found = read_run(open_existing_registry(registry), run)
        if output is OutputFormat.JSON:
            typer.echo(json.dumps({"digest": found.digest} | displayed(found.report, profile=True), indent=2))
        else:
            typer.echo("\n".join(run_text(found)))


@runs_app.command(epilog=examples("serin runs verify latest --registry ./registry --key signing.pub"))
def verify(
    run: Name,
    registry: options.Registry,
    *,
    key: Annotated[
        Path | None,
        typer.Option(help="A public key (signing.pub); the run must be signed by it.", show_default=False),
    ] = None,
) -> None:
    """Check every file of a run against its manifest, and the signature; no model file is loaded."""
    with exit_on_error("runs verify"):
        from serin_registry.verification import verify_run
        from serin_training.registry.keys import read_public_key
        from serin_training.registry.writer import open_existing_registry

        public_key = None if key is None else read_public_key(key)
        found = verify_run(open_existing_registry(registry), run, public_key=public_key or b"")
        signed = "" if key is None else f", signed by the key of {key}"
        typer.echo(f"{found.name}: {len(found.manifest.files)} files match the manifest, {found.digest}{signed}")


@runs_app.command(epilog=examples("serin runs keygen --out keys"))
def keygen(
    out: Annotated[Path, typer.Option(help="Folder to write signing.key and signing.pub to.", show_default=False)],
) -> None:
    """Generate a key pair to sign runs: signing.key for training, signing.pub for servers and `runs verify`."""
    with exit_on_error("runs keygen"):
        from serin_training.registry.keys import SIGNING_KEY, generate_keys

        private, public = generate_keys(out)
        typer.echo(private)
        typer.echo(public)
        note(f"{SIGNING_KEY}={private} lets `serin train` sign its runs; keep this file secret")


@runs_app.command(epilog=examples("serin runs diff run_1a2b3c4d_1767225600 latest --registry ./registry"))
def diff(
    before: Name, after: Name, registry: options.Registry, *, output: options.OutputOption = OutputFormat.TEXT
) -> None:
    """Show what changed from one run to another."""
    with exit_on_error("runs diff"):
        from serin_registry.verification import read_run
        from serin_training.registry.writer import open_existing_registry
        from serin_training.run_text import differences

        opened = open_existing_registry(registry)
        one, other = read_run(opened, before), read_run(opened, after)
        changes = differences(one, other)
        if output is OutputFormat.JSON:
            typer.echo(json.dumps([{"what": what, "before": a, "after": b} for what, a, b in changes], indent=2))
        else:
            width = max((len(what) for what, _, _ in changes), default=0)
            typer.echo(f"{one.name} -> {other.name}")
            for what, a, b in changes:
                typer.echo(f"  {what:<{width}}  {a} -> {b}")
            if not changes:
                note("no difference in data, scores and gate")


@runs_app.command(name="swap-to", epilog=examples("serin runs swap-to run_1a2b3c4d_1767225600 --registry ./registry"))
def swap_to_command(
    run: Name,
    registry: options.Registry,
    *,
    force: Annotated[bool, typer.Option("--force", help="Even if the run did not pass its acceptance gate.")] = False,
) -> None:
    """Point `latest` at another run, after checking all its files."""
    with exit_on_error("runs swap-to"):
        from serin_registry.errors import GateRefusedError, RegistryError
        from serin_registry.latest import swap_to
        from serin_training.registry.writer import open_existing_registry

        try:
            swap = swap_to(run, registry=open_existing_registry(registry), force=force)
        except GateRefusedError as error:
            raise RegistryError(f"{error}; --force points latest at it anyway") from None
        typer.echo(f"latest: {swap.before or 'none'} -> {swap.after}")


@runs_app.command(epilog=examples("serin runs prune --registry ./registry --keep 5 --dry-run"))
def prune(
    registry: options.Registry,
    *,
    keep: Annotated[int, typer.Option(min=1, help="Keep this many of the newest runs.")] = 10,
    older_than: Annotated[float, typer.Option(min=0, metavar="DAYS", help="Remove only runs older than this.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
    check_cluster: Annotated[
        bool, typer.Option("--cluster/--no-cluster", help="Keep runs that SuggestionModels of the cluster reference.")
    ] = True,
) -> None:
    """Remove old runs, except those that `latest` or a SuggestionModel in the current cluster references."""
    with exit_on_error("runs prune"):
        from serin_training.registry.writer import open_existing_registry

        opened = open_existing_registry(registry)
        stored = opened.runs()
        candidates = [name for name in stored[:-keep] if _age_in_days(name) >= older_than]
        kept = _references(opened, check_cluster=check_cluster)
        for name in candidates:
            if name in kept:
                note(f"{name}: kept, {kept[name]}")
                continue
            if not dry_run:
                opened.delete(name)
            typer.echo(f"{name}: {'would be removed' if dry_run else 'removed'}")
        if stored and not candidates:
            age = f" and older than {older_than:g} days" if older_than else ""
            note(f"nothing to remove: none of {len(stored)} runs is beyond the newest {keep}{age}")


def _references(registry: "RunRegistry", *, check_cluster: bool) -> dict[str, str]:
    """Return the runs that must stay, and why. Raises KubernetesApiError if that cannot be determined."""
    kept = dict.fromkeys(_runs_in_cluster() if check_cluster else (), "a SuggestionModel references it")
    latest = registry.latest()
    if latest is not None:
        kept[latest] = "latest references it"
    return kept


def _runs_in_cluster() -> set[str]:
    import yaml

    from serin_training import kubernetes_client

    try:
        api = kubernetes_client.connect()
        if api is not None:
            return kubernetes_client.referenced_runs(api)
    except KubernetesApiError as error:
        raise KubernetesApiError(f"{error}; {_NOTHING_REMOVED}") from None
    except (OSError, ValueError, TypeError, AttributeError, KeyError, yaml.YAMLError) as error:
        # Raised for a damaged kubeconfig.
        raise KubernetesApiError(
            f"the kubeconfig cannot be used ({type(error).__name__}); {_NOTHING_REMOVED}"
        ) from None
    # There may be a cluster: the kubeconfig is damaged, or the kubernetes client is not installed.
    where = _kubeconfig()
    if where is not None:
        raise KubernetesApiError(f"the kubeconfig {where} cannot be used; {_NOTHING_REMOVED}")
    note("no kubeconfig: only the run that latest references is kept")
    return set()


def _kubeconfig() -> str | None:
    named = os.environ.get("KUBECONFIG")
    default = Path.home() / ".kube" / "config"
    return named or (str(default) if default.exists() else None)


def _age_in_days(name: str) -> float:
    from serin_core.model.manifest import RunError, parse_run_name

    try:
        return (time.time() - parse_run_name(name)[1]) / 86_400
    except RunError:
        return 0.0
