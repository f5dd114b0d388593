"""`kubectl serin watch`: follow one rollout until it ends."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from serin_cli.cluster_errors import cluster_errors
from serin_cli.connection import Connection, on_cluster
from serin_cli.exit_codes import ExitCode
from serin_cli.kubernetes_client import Cluster
from serin_cli.options import Name, examples, fail
from serin_cli.request_errors import AbsentError, ClusterError
from serin_cli.resource import Live, candidate_of, describe_entry, describe_ready, full_name, ready_condition, run_of

app = typer.Typer()
RETRY_FOR: Final = 60.0
"""Seconds of failed requests after which `watch` stops."""
OUTCOMES: Final = {
    "Promoted": ExitCode.DONE,
    "AtCap": ExitCode.DONE,
    "RolledBack": ExitCode.ROLLED_BACK,
    "Stopped": ExitCode.ROLLED_BACK,
    "RunRefused": ExitCode.REFUSED,
}
"""Exit status by the reason of the condition Ready."""


@app.command(
    epilog=examples(
        "kubectl serin watch categories",
        "kubectl serin watch categories -n transactions --timeout 3600",
    )
)
@on_cluster
def watch(
    name: Name,
    connection: Connection,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time out after this many seconds (0: wait forever).")
    ] = 0,
) -> None:
    """Follow a rollout until it ends.

    Exit status 0 if the run is promoted or has reached its cap, 3 if it is rolled back or stopped, 4 if it is refused,
    5 on a timeout, 6 if the resource is deleted.
    """
    with cluster_errors():
        cluster = connection.open()
        for line, exit_status in _follow(cluster, name, timeout):
            typer.echo(line)
            if exit_status is not None:
                raise typer.Exit(exit_status)
    raise fail(f"timed out after {timeout:g} s; the rollout is still running", ExitCode.TIMED_OUT)


def _follow(cluster: Cluster, name: str, timeout: float) -> Iterator[tuple[str, int | None]]:
    """Yield each new line, and with the last one the exit status."""
    seen: set[tuple[str, str]] = set()
    last = ""
    for live in _polls(cluster, name, timeout=timeout):
        status = live.get("status", {})
        if not last:
            yield _header(live), None
        for entry in status.get("history", []):
            key = (entry["at"], entry["event"])
            if key not in seen and _is_current(entry, live):
                yield describe_entry(entry), None
            seen.add(key)
        if status.get("observedGeneration") != live["metadata"]["generation"]:
            last = last or " "
            continue
        line, exit_status = describe_ready(live), _exit_status(live)
        # Counts of a step that awaits an approval grow at every check.
        if (known := line.partition(". Evidence: ")[0]) != last or exit_status is not None:
            last = known
            yield f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}  {line}", exit_status
        if exit_status is None and _has_no_pods(live):
            yield "stopped: spec.server.replicas is 0, so the rollout cannot continue", 1


def _header(live: Live) -> str:
    candidate, stable = run_of(live, "candidate") or "none", run_of(live, "stable") or "the rules"
    return f"{full_name(live)}: candidate {candidate}, stable {stable}"


def _is_current(entry: Live, live: Live) -> bool:
    """Return whether an entry of the history belongs to the present rollout."""
    run = run_of(live, "candidate") or run_of(live, "stable")
    is_of_run = not run or entry.get("runID", run) in ("", run)
    return is_of_run and bool(entry["at"] >= candidate_of(live).get("attemptStartedAt", ""))


def _polls(cluster: Cluster, name: str, *, timeout: float) -> Iterator[dict[str, Any]]:
    """Yield the resource every second. Raises ClusterError if it is deleted, or after RETRY_FOR of failed requests."""
    deadline = time.monotonic() + timeout if timeout else None
    failing_since: float | None = None
    is_known = False
    while deadline is None or time.monotonic() < deadline:
        try:
            live = cluster.get(name)
        except AbsentError:
            if is_known:
                raise AbsentError(f"suggestionmodel {name!r} was deleted") from None
            raise
        except ClusterError as error:
            failing_since = _tolerate(error, failing_since)
        else:
            failing_since, is_known = None, True
            yield live
        time.sleep(1.0)


def _tolerate(error: ClusterError, since: float | None) -> float:
    """Return the time of the first of consecutive failed requests; report that one, raise the one after RETRY_FOR."""
    now = time.monotonic()
    if since is None:
        typer.echo(f"serin: {error}; trying again", err=True)
        return now
    if now - since >= RETRY_FOR:
        raise error
    return since


def _exit_status(live: Live) -> int | None:
    """Return the exit status of a rollout that ended; None while it runs or a pod has not confirmed."""
    confirmed = live["status"].get("propagation", {}).get("confirmed", False)
    # Without pods, none can serve anything else.
    return OUTCOMES.get(ready_condition(live).get("reason", "")) if confirmed or _has_no_pods(live) else None


def _has_no_pods(live: Live) -> bool:
    return bool(live.get("spec", {}).get("server", {}).get("replicas") == 0)
