"""A SuggestionModel as it changes, and how its rollout ended."""

import time
from collections.abc import Iterator
from typing import Any, Final

import typer

from serin_cli.exit_codes import ExitCode
from serin_cli.following import Changes
from serin_cli.kubernetes_client import Cluster
from serin_cli.request_errors import AbsentError, ClusterError, UnreadableError
from serin_cli.resource import Live, ready_condition

RETRY_FOR: Final = 60.0
"""Seconds of failed requests after which `watch` stops."""
_READ_EVERY: Final = 30
"""Seconds after which the resource is read again although no change was reported."""
NO_PODS: Final = "stopped: spec.server.replicas is 0, so the rollout cannot continue"
OUTCOMES: Final = {
    "Promoted": ExitCode.DONE,
    "AtCap": ExitCode.DONE,
    "RolledBack": ExitCode.ROLLED_BACK,
    "Stopped": ExitCode.ROLLED_BACK,
    "RunRefused": ExitCode.REFUSED,
}
"""Exit status by the reason of the condition Ready."""


def polls(cluster: Cluster, name: str, *, timeout: float) -> Iterator[dict[str, Any]]:
    """Yield the resource when it changes, and every second, as times in a view go on.

    Raises ClusterError if it is deleted, or after RETRY_FOR of failed requests.
    """
    deadline = time.monotonic() + timeout if timeout else None
    failing_since: float | None = None
    changes: Changes | None = None
    while deadline is None or time.monotonic() < deadline:
        try:
            live = cluster.get(name)
        except AbsentError:
            if changes is not None:
                raise AbsentError(f"suggestionmodel {name!r} was deleted") from None
            raise
        except UnreadableError:
            raise
        except ClusterError as error:
            failing_since = _tolerate(error, failing_since)
        else:
            failing_since, changes = None, changes or cluster.follow(live)
            yield live
            yield from _unchanged(live, changes, deadline)
            continue
        time.sleep(1.0)


def _unchanged(live: dict[str, Any], changes: Changes, deadline: float | None) -> Iterator[dict[str, Any]]:
    """Yield the resource every second until it is to be read again."""
    for _ in range(_READ_EVERY):
        if changes.wait(1.0) or (deadline is not None and time.monotonic() >= deadline):
            return
        yield live


def _tolerate(error: ClusterError, since: float | None) -> float:
    """Return the time of the first of consecutive failed requests; report that one, raise the one after RETRY_FOR."""
    now = time.monotonic()
    if since is None:
        typer.echo(f"serin: {error}; trying again", err=True)
        return now
    if now - since >= RETRY_FOR:
        raise error
    return since


def exit_status(live: Live) -> int | None:
    """Return the exit status of a rollout that ended; None while it runs or a pod has not confirmed."""
    status = live.get("status") or {}
    if status.get("observedGeneration") != live["metadata"]["generation"]:
        return None
    confirmed = (status.get("propagation") or {}).get("confirmed", False)
    # Without pods, none can serve anything else.
    return OUTCOMES.get(ready_condition(live).get("reason", "")) if confirmed or has_no_pods(live) else None


def has_no_pods(live: Live) -> bool:
    """Return whether the spec asks for no pods, so that nothing can confirm."""
    return bool(live.get("spec", {}).get("server", {}).get("replicas") == 0)
