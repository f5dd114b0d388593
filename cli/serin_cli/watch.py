"""`kubectl serin watch`: follow one rollout until it ends."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from serin_cli.cluster_errors import cluster_errors
from serin_cli.connection import Connection, on_cluster
from serin_cli.exit_codes import ExitCode
from serin_cli.kubernetes_client import Cluster
from serin_cli.options import Name, examples, fail, seconds, show
from serin_cli.resource import Live, candidate_of, describe_entry, describe_ready, full_name, run_of
from serin_cli.watch_polls import NO_PODS, exit_status, has_no_pods, polls

app = typer.Typer()


@app.command(
    epilog=examples(
        "kubectl serin watch categories",
        "kubectl serin watch categories -n transactions --timeout 1h30m",
        "kubectl serin watch categories --plain | tee rollout.log",
    )
)
@on_cluster
def watch(
    name: Name,
    connection: Connection,
    timeout: Annotated[
        float,
        typer.Option(
            parser=seconds, metavar="DURATION", help="Time out after this time, 90s or 1h30m, or number of seconds."
        ),
    ] = 0,
    *,
    plain: Annotated[
        bool, typer.Option("--plain", help="Print a line for each change, as without a terminal.")
    ] = False,
) -> None:
    """Follow a rollout until it ends.

    On a terminal, the stages with their times, the gates as bars, pods and Events are redrawn as they change; elsewhere
    each change is a line. Exit status 0 if the run is promoted or has reached its cap, 3 if it is rolled back or
    stopped, 4 if it is refused, 5 on a timeout, 6 if the resource is deleted.
    """
    show = _in_lines if plain else _on_screen
    with cluster_errors():
        ended = show(connection.open(), name, timeout)
    if ended is None:
        raise fail(f"timed out after {timeout:g} s; the rollout is still running", ExitCode.TIMED_OUT)
    raise typer.Exit(ended)


def _on_screen(cluster: Cluster, name: str, timeout: float) -> int | None:
    """Draw the view where the terminal can show it, lines otherwise; return the exit status, None on a timeout."""
    # Imported here: `--plain` needs no Rich.
    from rich.console import Console  # noqa: PLC0415

    from serin_cli.watch_screen import can_draw, draw  # noqa: PLC0415

    console = Console()
    if not can_draw(console):
        return _in_lines(cluster, name, timeout)
    return draw(console, cluster, name, polls(cluster, name, timeout=timeout))


def _in_lines(cluster: Cluster, name: str, timeout: float) -> int | None:
    """Print a line for each change; return the exit status, None on a timeout."""
    for line, ended in _follow(polls(cluster, name, timeout=timeout)):
        show(line)
        if ended is not None:
            return ended
    return None


def _follow(lives: Iterable[Live]) -> Iterator[tuple[str, int | None]]:
    """Yield each new line, and with the last one the exit status."""
    seen: set[tuple[str, str]] = set()
    last = ""
    for live in lives:
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
        line, ended = describe_ready(live), exit_status(live)
        # Counts of a step that awaits an approval grow at every check.
        if (known := line.partition(". Evidence: ")[0]) != last or ended is not None:
            last = known
            yield f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}  {line}", ended
        if ended is None and has_no_pods(live):
            yield NO_PODS, ExitCode.FAILED


def _header(live: Live) -> str:
    candidate, stable = run_of(live, "candidate") or "none", run_of(live, "stable") or "the rules"
    return f"{full_name(live)}: candidate {candidate}, stable {stable}"


def _is_current(entry: Live, live: Live) -> bool:
    """Return whether an entry of the history belongs to the present rollout."""
    run = run_of(live, "candidate") or run_of(live, "stable")
    is_of_run = not run or entry.get("runID", run) in ("", run)
    return is_of_run and bool(entry["at"] >= candidate_of(live).get("attemptStartedAt", ""))
