"""Requests to the operator: an annotation, and the wait for its answer in status (docs/contracts.md, "Requests")."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import typer

from serin_cli.cluster_errors import cluster_errors
from serin_cli.connection import Connection
from serin_cli.exit_codes import ExitCode
from serin_cli.kubernetes_client import Cluster
from serin_cli.options import fail, show
from serin_cli.resource import Live, status_of
from serin_core.contract.names import REQUEST_PREFIX
from serin_core.contract.request_values import kept_value

ANSWER_WITHIN: Final = 30.0
"""Seconds to wait for the operator's answer."""
_REPLACES: Final = "This replaces a request that the operator has not answered, and that will not act: {action} {value}"
_Found = TypeVar("_Found")


def open_resource(name: str, connection: Connection) -> tuple[Cluster, Live]:
    """Return the cluster, and the resource once the operator has written a status."""
    with cluster_errors():
        cluster = connection.open()
        live = _wait_for(cluster, name, lambda live: live if live.get("status") else None)
    if live is None:
        raise fail(f"{name} has no status yet: is the operator running?", ExitCode.TIMED_OUT)
    return cluster, live


def send(  # noqa: PLR0913 - the parts of a request, given by name
    cluster: Cluster,
    name: str,
    action: str,
    run: str,
    *details: str,
    reason: str,
    spec: Mapping[str, Any] | None = None,
) -> None:
    """Write the annotation, with it an edit of the spec, and print the operator's answer.

    One annotation holds one request of an action: one that it replaces before the operator has answered it is shown.
    Exits with status 4 if it was ignored, 5 if it was not answered.
    """
    # The time makes each request a new one.
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with cluster_errors():
        user = cluster.user()
        value = " ".join([run, *details, moment, *([f"by={user}"] if user else []), *reason.split()])
        if replaced := _unanswered(cluster.get(name), action):
            show(_REPLACES.format(action=action, value=kept_value(replaced)), err=True)
        cluster.annotate(name, {f"{REQUEST_PREFIX}{action}": value}, spec=spec)
        answer = _wait_for(cluster, name, lambda live: _answer(live, action, value))
    if answer is None:
        raise fail(
            f"the operator has not answered within {ANSWER_WITHIN:g} s; the request is pending and will still be "
            f"carried out. To withdraw it: kubectl annotate sgm {name} -n {cluster.namespace} "
            f"{REQUEST_PREFIX}{action}-",
            ExitCode.TIMED_OUT,
        )
    show(answer)
    if answer.startswith("Ignored"):
        raise typer.Exit(ExitCode.REFUSED)


def _wait_for(cluster: Cluster, name: str, found: Callable[[Live], _Found | None]) -> _Found | None:
    """Read the resource until something is found in it; return None after ANSWER_WITHIN. Raises ClusterError."""
    deadline = time.monotonic() + ANSWER_WITHIN
    while time.monotonic() < deadline:
        if (result := found(cluster.get(name))) is not None:
            return result
        time.sleep(0.5)
    return None


def _unanswered(live: Live, action: str) -> str:
    """Return the value of the last request of an action that has no answer yet, "" if there is none."""
    value: str = (live["metadata"].get("annotations") or {}).get(f"{REQUEST_PREFIX}{action}", "")
    return value if value and _answer(live, action, value) is None else ""


def _answer(live: Live, action: str, value: str) -> str | None:
    handled = status_of(live).get("handledRequests", [])
    kept = kept_value(value)
    return next((one["answer"] for one in handled if (one["action"], one["value"]) == (action, kept)), None)
