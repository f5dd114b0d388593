"""`kubectl serin status` and `kubectl serin explain`: one rollout, read from the resource's status."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer
import yaml

from serin_cli.cluster_errors import cluster_errors
from serin_cli.connection import Connection, on_cluster
from serin_cli.options import Name, examples, show

app = typer.Typer()


@app.command(
    epilog=examples(
        "kubectl serin status categories",
        "kubectl serin status sgm/categories -n transactions -o yaml",
    )
)
@on_cluster
def status(
    name: Name,
    connection: Connection,
    output: Annotated[
        Literal["text", "json", "yaml"], typer.Option("-o", "--output", help="Output format: text, json or yaml.")
    ] = "text",
) -> None:
    """Show the status of a rollout and its gates.

    With -o json or -o yaml, print the complete .status of the resource.
    """
    live = _read(name, connection)
    match output:
        case "json":
            typer.echo(json.dumps(live.get("status", {}), indent=2))
        case "yaml":
            typer.echo(yaml.safe_dump(live.get("status", {}), sort_keys=False), nl=False)
        case "text":
            # Imported here: the other formats need no models of spec and status, half of what Serin imports.
            from serin_cli.status_text import describe_status  # noqa: PLC0415

            show("\n".join(describe_status(live, now=datetime.now(UTC))))


@app.command(epilog=examples("kubectl serin explain categories"))
@on_cluster
def explain(name: Name, connection: Connection) -> None:
    """Explain each gate: what it has counted, how certain that is, and what a verdict still needs.

    If no stage is running, explain how the last rollout ended.
    """
    from serin_cli.evidence_text import describe_evidence  # noqa: PLC0415

    live = _read(name, connection)
    show("\n".join(describe_evidence(live, now=datetime.now(UTC))))


def _read(name: str, connection: Connection) -> dict[str, Any]:
    with cluster_errors():
        return connection.open().get(name)
