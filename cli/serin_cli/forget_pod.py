"""`serin forget-pod`: declare that a pod is dead whose node will not report it."""

from typing import Annotated, Final

import typer

from serin_cli.action_requests import open_resource, send
from serin_cli.cluster_errors import cluster_errors
from serin_cli.confirmation import Yes, confirm
from serin_cli.connection import Connection, on_cluster
from serin_cli.exit_codes import ExitCode
from serin_cli.options import Name, Reason, examples, fail
from serin_core.contract.names import LABEL_MODEL
from serin_core.rollout.lost_pods import FORGET

app = typer.Typer()
_WARNING: Final = (
    "If its process still runs, it may go on serving users who reach it until its node hears from the cluster."
)


@app.command(
    name=FORGET,
    epilog=examples(
        "kubectl serin forget-pod categories categories-7d4b9c-x2x9k",
        'kubectl serin forget-pod categories categories-7d4b9c-x2x9k --yes --reason "the machine was scrapped"',
    ),
)
@on_cluster
def forget_pod(
    name: Name,
    pod: Annotated[str, typer.Argument(help="Name of the pod, as in the condition PodsUnreachable.")],
    connection: Connection,
    reason: Reason = "",
    *,
    yes: Yes = False,
) -> None:
    """Declare that a pod is dead, so that the rollout no longer waits for it.

    The pod is deleted without waiting for its node. Refused for a pod that is ready or responds to the operator. Not
    needed for a node that is deleted or has the taint node.kubernetes.io/out-of-service.
    """
    cluster, _ = open_resource(name, connection)
    with cluster_errors():
        found = cluster.pod(pod)
    if (found["labels"] or {}).get(LABEL_MODEL) != name:
        raise fail(f"{pod} is not a pod of {name}", ExitCode.REFUSED)
    typer.echo(f"{pod} on node {found['node']} will be deleted without waiting for its node. {_WARNING}", err=True)
    confirm(yes=yes)
    send(cluster, name, FORGET, pod, found["uid"], reason=reason)
