"""`serin version`: the version of this program, of the operators of the cluster, and of Kubernetes."""

import json
from importlib.metadata import version as version_of
from typing import Annotated, Any, Literal

import typer
import yaml

from serin_cli.connection import Connection, on_cluster
from serin_cli.kubernetes_client import Cluster
from serin_cli.options import examples, fail
from serin_cli.request_errors import ClusterError
from serin_cli.version_text import describe_skew, describe_versions, operator_of

app = typer.Typer()


@app.command(epilog=examples("kubectl serin version", "serin version --client", "kubectl serin version -o json"))
@on_cluster
def version(
    connection: Connection,
    output: Annotated[
        Literal["text", "json", "yaml"], typer.Option("-o", "--output", help="Output format: text, json or yaml.")
    ] = "text",
    *,
    client: Annotated[bool, typer.Option("--client", help="Show the version of this program only.")] = False,
) -> None:
    """Show the versions of this program, of the operator and of Kubernetes.

    The operator's version is that of its Deployment's image, where the Deployment can be read. A version that differs
    is named.
    """
    found: dict[str, Any] = {"client": version_of("serin")}
    error = None if client else _add_cluster(found, connection)
    match output:
        case "json":
            typer.echo(json.dumps(found, indent=2))
        case "yaml":
            typer.echo(yaml.safe_dump(found, sort_keys=False), nl=False)
        case "text":
            typer.echo("\n".join(describe_versions(found)))
    if error is not None:
        raise fail(error)
    for line in describe_skew(found):
        typer.echo(f"serin: {line}", err=True)


def _add_cluster(found: dict[str, Any], connection: Connection) -> ClusterError | None:
    """Add what the cluster has; return the error if it cannot be reached."""
    try:
        cluster = connection.open()
        found["kubernetes"] = cluster.version()
    except ClusterError as error:
        return error
    _add_operators(found, cluster)
    return None


def _add_operators(found: dict[str, Any], cluster: Cluster) -> None:
    try:
        found["operators"] = [operator_of(deployment) for deployment in cluster.operators()]
    except ClusterError as error:
        # Users of a namespace often may not read the operator's.
        found["operatorsUnreadable"] = str(error)
