"""`kubectl serin doctor`: check the installation and SuggestionModels, and show what to do."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from serin_cli.cluster_errors import cluster_errors
from serin_cli.connection import Connection, on_cluster
from serin_cli.doctor.installation import installation_results
from serin_cli.doctor.models import condition_results, model_results
from serin_cli.doctor.reading import OPERATOR_NAMESPACE, read_installation, read_model
from serin_cli.doctor.results import Outcome, Result
from serin_cli.doctor.seen import Model
from serin_cli.doctor.text import as_json, describe
from serin_cli.exit_codes import ExitCode
from serin_cli.kubernetes_client import Cluster
from serin_cli.options import OutputOption, bare_name, examples
from serin_cli.request_errors import NotInstalledError

app = typer.Typer()


@app.command(epilog=examples("kubectl serin doctor", "kubectl serin doctor categories -n transactions"))
@on_cluster
def doctor(
    connection: Connection,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="Name of a SuggestionModel, whose pods, gates and inputs are checked, too.",
            callback=bare_name,
            show_default=False,
        ),
    ] = None,
    operator_namespace: Annotated[
        str, typer.Option("--operator-namespace", help="Namespace of the operator.")
    ] = OPERATOR_NAMESPACE,
    output: OutputOption = "text",
) -> None:
    """Check the installation and SuggestionModels: what was found, and what to do.

    Without NAME, the installation and the conditions of every SuggestionModel of the namespace. What you may not read
    is unknown. Exit status 1 if there is a problem.
    """
    with cluster_errors():
        cluster = connection.open()
        live = None if model is None else cluster.get(model)
        results = installation_results(read_installation(cluster, operator_namespace))
        if live is None:
            results += _conditions(cluster)
        else:
            results += model_results(read_model(cluster, live), datetime.now(UTC))
    typer.echo(json.dumps(as_json(results), indent=2) if output == "json" else "\n".join(describe(results)))
    if any(one.outcome is Outcome.PROBLEM for one in results):
        raise typer.Exit(ExitCode.FAILED)


def _conditions(cluster: Cluster) -> list[Result]:
    try:
        items = cluster.models()["items"]
    except NotInstalledError:
        # The check of the definition has reported it.
        return []
    found = [Model(live=item, pods=(), policies=(), inputs={}) for item in items]
    return [result for one in found for result in one.told(condition_results(one))]
