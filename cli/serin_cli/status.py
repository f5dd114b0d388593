"""`kubectl serin status` and `kubectl serin explain`: one rollout, read from the resource's status."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer
import yaml

from serin_cli.cluster_errors import cluster_errors
from serin_cli.connection import Connection, on_cluster
from serin_cli.kubernetes_client import Cluster
from serin_cli.options import Name, examples, show
from serin_cli.resource import Live
from serin_cli.watch_polls import polls

app = typer.Typer()
Form = Literal["text", "json", "yaml"]
_Output = Annotated[Form, typer.Option("-o", "--output", help="Output format: text, json or yaml.")]


@app.command(
    epilog=examples(
        "kubectl serin status categories",
        "kubectl serin status sgm/categories -n transactions -o yaml",
        "kubectl serin status categories -w",
    )
)
@on_cluster
def status(
    name: Name,
    connection: Connection,
    output: _Output = "text",
    *,
    watch: Annotated[
        bool, typer.Option("-w", "--watch", help="Print it again whenever it changes, until interrupted.")
    ] = False,
) -> None:
    """Show the status of a rollout and its gates.

    With -o json or -o yaml, print the complete .status of the resource.
    """
    with cluster_errors():
        cluster = connection.open()
        if watch:
            _follow(cluster, name, output)
        else:
            _print(_status(cluster.get(name), output, datetime.now(UTC)), output)


@app.command(epilog=examples("kubectl serin explain categories", "kubectl serin explain categories -o json"))
@on_cluster
def explain(name: Name, connection: Connection, output: _Output = "text") -> None:
    """Explain each gate: what it has counted, how certain that is, and what a verdict still needs.

    If no stage is running, explain how the last rollout ended.
    """
    with cluster_errors():
        live = connection.open().get(name)
    now = datetime.now(UTC)
    if output == "text":
        from serin_cli.evidence_text import describe_evidence  # noqa: PLC0415

        _print("\n".join(describe_evidence(live, now=now)), output)
    else:
        from serin_cli.evidence_data import evidence_of  # noqa: PLC0415

        _print(_document(evidence_of(live, now=now), output), output)


def _follow(cluster: Cluster, name: str, output: Form) -> None:
    """Print the status at first and whenever it changes otherwise than by the time. Raises ClusterError at the end."""
    last: Live | None = None
    for live in polls(cluster, name, timeout=0):
        now = datetime.now(UTC)
        text = _status(live, output, now)
        if last is None:
            _print(text, output)
        elif live is not last and text != _status(last, output, now):
            typer.echo("---" if output == "yaml" else "", nl=output != "json")
            _print(text, output)
        last = live


def _status(live: Live, output: Form, now: datetime) -> str:
    if output != "text":
        return _document(live.get("status", {}), output)
    # Imported here: the other formats need no models of spec and status, half of what Serin imports.
    from serin_cli.status_text import describe_status  # noqa: PLC0415

    return "\n".join(describe_status(live, now=now))


def _document(found: Any, output: Form) -> str:
    return json.dumps(found, indent=2) if output == "json" else yaml.safe_dump(found, sort_keys=False).rstrip("\n")


def _print(text: str, output: Form) -> None:
    (show if output == "text" else typer.echo)(text)
