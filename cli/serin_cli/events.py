"""`kubectl serin events`: the Events of one SuggestionModel, oldest first."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import typer
import yaml

from serin_cli.cluster_errors import cluster_errors
from serin_cli.connection import Connection, on_cluster
from serin_cli.options import Name, examples
from serin_cli.tables import table

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
            typer.echo("\n".join(describe_events(found)))


def is_shown(event: Mapping[str, Any], uid: str | None, *, warnings: bool) -> bool:
    """Return whether an Event is about the resource with this uid, not an earlier one of its name, and wanted."""
    is_of_this = event["involvedObject"].get("uid") in (None, uid)
    return is_of_this and (event.get("type") == "Warning" or not warnings)


def last_seen(event: Mapping[str, Any]) -> str:
    """Return the time at which an Event happened last, as the API server writes it; "" if it has none."""
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def describe_events(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the Events as a table: time, type, reason, message. A message stays in one line."""
    rows = [["LAST SEEN", "TYPE", "REASON", "MESSAGE"]]
    for event in found:
        count = (event.get("series") or {}).get("count") or event.get("count") or 1
        times = f" (x{count})" if count > 1 else ""
        message = " ".join(str(event.get("message", "")).split())
        seen = f"{last_seen(event)[:19]}Z" if last_seen(event) else "-"
        rows.append([seen, event.get("type") or "-", event.get("reason") or "-", message + times])
    return table(rows)
