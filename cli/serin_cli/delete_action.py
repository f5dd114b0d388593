"""`kubectl serin delete`: delete a SuggestionModel, after showing what that ends."""

from typing import Annotated

import typer

from serin_cli.cluster_errors import cluster_errors
from serin_cli.confirmation import Yes, confirm
from serin_cli.connection import Connection, on_cluster
from serin_cli.options import Name, examples
from serin_cli.resource import Live, candidate_of, full_name, is_running, run_of
from serin_core.kubernetes.owner import owner_of

app = typer.Typer()


@app.command(epilog=examples("kubectl serin delete categories", "kubectl serin delete categories --orphan"))
@on_cluster
def delete(
    name: Name,
    connection: Connection,
    *,
    orphan: Annotated[
        bool, typer.Option("--orphan", help="Keep the pods, the Service and the routing; the pods go on serving.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Delete a SuggestionModel, after showing what that ends.

    Shows which runs serve users and asks for confirmation. `kubectl delete` does the same without asking.
    """
    with cluster_errors():
        cluster = connection.open()
        typer.echo("\n".join(_consequences(cluster.get(name), keeps_pods=orphan)), err=True)
        confirm(yes=yes)
        cluster.delete(name, keeps_children=orphan)
    typer.echo(f"{cluster.namespace}/{name} deleted")


def _consequences(live: Live, *, keeps_pods: bool) -> list[str]:
    lines = [f"{full_name(live)}: {_serving(live)}."]
    if keeps_pods:
        lines.append(
            "Its pods, Service and routing are kept and go on; no gate watches them, and nothing repairs them."
        )
        lines.append("Its trial records are kept, too.")
    else:
        lines.append("Its pods, Service and trial records are deleted: requests fail.")
        lines.append("Its status is lost: another SuggestionModel of this name begins with a new trial.")
    lines.append("The registry, Secrets, rules and the database are kept.")
    owner = owner_of(live)
    if owner is not None:
        lines.append(f"{owner.capitalized} creates it again, without its status: {owner.remedy}.")
    return lines


def _serving(live: Live) -> str:
    stable, candidate = run_of(live, "stable"), candidate_of(live)
    text = f"{stable} serves users" if stable else "the rules serve users"
    if not is_running(live):
        return text
    # A holdback is served by the stable run.
    percent = min(candidate.get("percent", 0), 100 - candidate.get("holdback", 0))
    share = f"{percent:g} %" if percent else "none of them yet"
    return f"{text}; the rollout of {candidate['runID']} ends, which serves {share}"
