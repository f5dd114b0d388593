"""Manual actions on a rollout: promote, promote-full, retry and abort.

Those that stop and resume a rollout are in pause_actions.py, those on promoted runs in stable_actions.py.
"""

from typing import Annotated, Final

import typer

from serin_cli.action_requests import open_resource, send
from serin_cli.connection import Connection, on_cluster
from serin_cli.exit_codes import ExitCode
from serin_cli.options import Name, Reason, examples, fail
from serin_cli.resource import candidate_of, is_running, run_of

app = typer.Typer()
_NO_ROLLOUT: Final = "no rollout is running"


def _on_candidate(action: str, text: str, *, example: str, missing: str, names_stage: bool = False) -> None:
    """Add a command that requests an action on the candidate; with `names_stage`, in its present stage only."""

    @app.command(name=action, help=text, epilog=examples(f'kubectl serin {action} categories --reason "{example}"'))
    @on_cluster
    def command(name: Name, connection: Connection, reason: Reason = "") -> None:
        cluster, live = open_resource(name, connection)
        candidate = candidate_of(live)
        if not candidate:
            raise fail(missing, ExitCode.REFUSED)
        stage = "bake" if candidate.get("bake") else f"{candidate.get('percent', 0):g}"
        send(cluster, name, action, candidate["runID"], *([stage] if names_stage else []), reason=reason)


_on_candidate(
    "promote",
    """Advance the candidate to the next step now, approve the step that waits, or end a bake.

    Skips the soak, windows and gates without a verdict, never a failing gate, a check or a freeze.
    """,
    example="checked by hand",
    missing=_NO_ROLLOUT,
    names_stage=True,
)
_on_candidate(
    "promote-full",
    """Advance the candidate through all remaining steps to promotion.

    Skips soaks, approvals, windows, metric gates and the bake, never the acceptance gate, a check or a freeze.
    """,
    example="restore after a mistake",
    missing=_NO_ROLLOUT,
)
_on_candidate(
    "retry",
    """Start the rollout of a rolled back or refused run again.

    It begins in shadow, as a new attempt.
    """,
    example="registry is mounted now",
    missing="nothing to retry: no run was rolled back or refused",
)


@app.command(
    epilog=examples(
        "kubectl serin abort categories",
        'kubectl serin abort categories --run run_1a2b3c4d_1767225600 --reason "wrong training data"',
    )
)
@on_cluster
def abort(
    name: Name,
    connection: Connection,
    reason: Reason = "",
    run: Annotated[
        str | None, typer.Option("--run", help="Abort only if this run is the candidate; otherwise do nothing.")
    ] = None,
) -> None:
    """End the running rollout and roll back its candidate.

    The stable run is never touched; to take it out of service, use `undo`.
    """
    cluster, live = open_resource(name, connection)
    stable = run_of(live, "stable")
    if not is_running(live) and stable is None:
        raise fail(f"{_NO_ROLLOUT}; the rules serve all users", ExitCode.REFUSED)
    if not is_running(live):
        undo = f"To take it out of service: kubectl serin undo {name}"
        raise fail(f"{_NO_ROLLOUT}; {stable} is stable. {undo}", ExitCode.REFUSED)
    candidate = candidate_of(live)["runID"]
    if run not in (None, candidate):
        raise fail(f"{run} is not the candidate; the candidate is {candidate}", ExitCode.REFUSED)
    typer.echo(f"rolling back {candidate}", err=True)
    send(cluster, name, "abort", candidate, reason=reason)
