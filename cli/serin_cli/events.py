"""`kubectl serin events`: the Events of one SuggestionModel, oldest first."""

import json
from typing import Annotated, Literal

import typer
import yaml

from serin_cli.cluster_errors import cluster_errors
from serin_cli.connection import Connection, on_cluster
from serin_cli.event_text import describe_events, is_shown, last_seen
from serin_cli.options import Name, examples, show

app = typer.Typer()


@app.command(epilog=examples("kubectl serin events categories", "kubectl serin events categories --warnings"))
@on_cluster
def events(
    name: Name,
    connection: Connection,
    output: Annotated[
        Literal["text", "json", "yaml"], typer.Option("-o", "--output", help="Output format: text, json or yaml.")
    ] = "text",
    *,
    warnings: Annotated[bool, typer.Option("--warnings", help="Show warnings only.")] = False,
) -> None:
    """Show the Events of a SuggestionModel, oldest first.

    The API server keeps Events for an hour, unless it is configured otherwise; `history` has what is older.
    """
    with cluster_errors():
        cluster = connection.open()
        uid = cluster.get(name)["metadata"].get("uid")
        found = [one for one in cluster.events(name) if is_shown(one, uid, warnings=warnings)]
    found.sort(key=lambda one: (last_seen(one), one["metadata"]["name"]))
    match output:
        case "json":
            typer.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": found}, indent=2))
        case "yaml":
            typer.echo(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": found}, sort_keys=False), nl=False)
        case "text" if not found:
            kind = "warnings" if warnings else "Events"
            typer.echo(f"no {kind} left; for earlier transitions: kubectl serin history {name}", err=True)
        case "text":
            show("\n".join(describe_events(found)))
