"""Requests to the operator: an annotation, and the wait for its answer in status (docs/contracts.md, "Requests")."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import typer

from serin_cli.action_plans import ActionRefusedError, Plan, plan
from serin_cli.cluster_errors import cluster_errors
from serin_cli.connection import Connection
from serin_cli.exit_codes import ExitCode
from serin_cli.kubernetes_client import Cluster
from serin_cli.operator_requests import answer_of, describe_replaced, request_value, write_request
from serin_cli.options import fail, show
from serin_cli.resource import Live
from serin_core.contract.names import REQUEST_PREFIX

ANSWER_WITHIN: Final = 30.0
"""Seconds to wait for the operator's answer."""
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
    with cluster_errors():
        value = request_value(run, *details, user=cluster.user(), reason=reason)
        if replaced := describe_replaced(cluster.get(name), action):
            show(replaced, err=True)
        write_request(cluster, name, action, value, spec=spec)
        answer = _wait_for(cluster, name, lambda live: answer_of(live, action, value))
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


def send_plan(cluster: Cluster, name: str, planned: Plan, *, reason: str) -> None:
    """Send the request of an action, and print the operator's answer. Exits as `send` does."""
    send(cluster, name, planned.action, planned.run, *planned.details, reason=reason)


def plan_of(action: str, live: Live) -> Plan:
    """Return the request of an action. Exits with status 4 if the state does not allow it."""
    try:
        return plan(action, live)
    except ActionRefusedError as error:
        raise fail(error, ExitCode.REFUSED) from None


def _wait_for(cluster: Cluster, name: str, found: Callable[[Live], _Found | None]) -> _Found | None:
    """Read the resource until something is found in it; return None after ANSWER_WITHIN. Raises ClusterError."""
    deadline = time.monotonic() + ANSWER_WITHIN
    while time.monotonic() < deadline:
        if (result := found(cluster.get(name))) is not None:
            return result
        time.sleep(0.5)
    return None
