"""Which cluster and namespace a command works on, and the options that name them."""

import inspect
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from serin_cli.cluster_errors import cluster_errors
from serin_cli.kubernetes_client import Cluster
from serin_cli.options import refuse

Namespace = Annotated[
    str | None, typer.Option("-n", "--namespace", help="Namespace; the namespace of the context by default.")
]
Context = Annotated[
    str | None, typer.Option("--context", help="Context of the kubeconfig; the current context by default.")
]
Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", help="Path of the kubeconfig; that of $KUBECONFIG by default.")
]
_OPTIONS: Final = {"namespace": Namespace, "context": Context, "kubeconfig": Kubeconfig}


@dataclass(frozen=True, slots=True)
class Connection:
    """The options of one command line that choose cluster and namespace; None for what the kubeconfig has."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: Path | None = None

    def open(self) -> Cluster:
        """Return the SuggestionModels of the namespace. Raises ClusterError if the kubeconfig cannot be used."""
        return Cluster.connect(**asdict(self))


def on_cluster(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options -n, --context and --kubeconfig in place of its parameter `connection`.

    A command with a parameter `name` also ends without one: exit status 2, and the names that exist.
    """
    parameters = inspect.signature(command, eval_str=True).parameters

    @wraps(command)
    def run(**given: Any) -> None:
        connection = Connection(**{option: given.pop(option) for option in _OPTIONS})
        if "name" in parameters and given["name"] is None:
            _refuse_without_name(connection)
        command(connection=connection, **given)

    signature = []
    for name, parameter in parameters.items():
        if name == "connection":
            signature += [_keyword(option, kind, None) for option, kind in _OPTIONS.items()]
        else:
            default = None if name == "name" else parameter.default
            signature.append(_keyword(name, parameter.annotation, default))
    run.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    return run


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _refuse_without_name(connection: Connection) -> None:
    """Exit with status 2 and the names in the namespace. The only one is not taken: another may be meant."""
    with cluster_errors():
        cluster = connection.open()
        found = cluster.names()
    place = f"namespace {cluster.namespace!r}"
    if not found:
        refuse(f"NAME is missing, and there is no SuggestionModel in {place}; kubectl serin list -A lists all")
    refuse(f"NAME is missing; in {place}: {', '.join(found)}")
