"""`kubectl serin history`: the records of all trials that are kept, or what happened in those of one run."""

import json
from typing import Annotated, Any, Literal

import typer
import yaml

from serin_cli.cluster_errors import cluster_errors
from serin_cli.connection import Connection, on_cluster
from serin_cli.options import Name, examples, show

app = typer.Typer()


@app.command(
    epilog=examples(
        "kubectl serin history categories",
        "kubectl serin history categories --run run_1a2b3c4d_1767225600",
        "kubectl serin history categories -o yaml > trials.yaml",
    )
)
@on_cluster
def history(
    name: Name,
    connection: Connection,
    run: Annotated[
        str | None, typer.Option("--run", help="Show the transitions and the evidence of this run only.")
    ] = None,
    output: Annotated[
        Literal["text", "json", "yaml"],
        typer.Option("-o", "--output", help="Output format: text, or whole records as json or yaml."),
    ] = "text",
) -> None:
    """Show past and running rollouts: when, how they ended, why, and who started them.

    They are read from trial records, which are deleted with the SuggestionModel: save them with -o yaml.
    """
    texts = _texts(name, connection)
    if output == "text":
        # Imported here: the other formats need no models.
        from serin_cli.history_text import describe_records  # noqa: PLC0415

        show("\n".join(describe_records(name, texts, run=run)))
        return
    found = [one for one in map(_document, texts) if run in (None, one.get("runID"))]
    typer.echo(json.dumps(found, indent=2) if output == "json" else yaml.safe_dump(found, sort_keys=False).rstrip())


def _texts(name: str, connection: Connection) -> list[str]:
    with cluster_errors():
        cluster = connection.open()
        found = cluster.records(name)
        if not found:
            cluster.get(name)  # Fails, and names those that exist, if there is none of this name.
    return found


def _document(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"unreadable": text}
