"""Manual actions on a rollout: promote, promote-full, retry and abort.

Those that stop and resume a rollout are in pause_actions.py, those on promoted runs in stable_actions.py.
"""

from typing import Annotated

import typer

from serin_cli.action_requests import open_resource, plan_of, send_plan
from serin_cli.connection import Connection, on_cluster
from serin_cli.exit_codes import ExitCode
from serin_cli.options import Name, Reason, examples, fail

app = typer.Typer()


def _on_candidate(action: str, text: str, *, example: str) -> None:
    """Add a command that requests an action on the candidate."""

    @app.command(name=action, help=text, epilog=examples(f'kubectl serin {action} categories --reason "{example}"'))
    @on_cluster
    def command(name: Name, connection: Connection, reason: Reason = "") -> None:
        cluster, live = open_resource(name, connection)
        send_plan(cluster, name, plan_of(action, live), reason=reason)


_on_candidate(
    "promote",
    """Advance the candidate to the next step now, approve the step that waits, or end a bake.

    Skips the soak, windows and gates without a verdict, never a failing gate, a check or a freeze.
    """,
    example="checked by hand",
)
_on_candidate(
    "promote-full",
    """Advance the candidate through all remaining steps to promotion.

    Skips soaks, approvals, windows, metric gates and the bake, never the acceptance gate, a check or a freeze.
    """,
    example="restore after a mistake",
)
_on_candidate(
    "retry",
    """Start the rollout of a rolled back or refused run again.

    It begins in shadow, as a new attempt.
    """,
    example="registry is mounted now",
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
    planned = plan_of("abort", live)
    if run not in (None, planned.run):
        raise fail(f"{run} is not the candidate; the candidate is {planned.run}", ExitCode.REFUSED)
    typer.echo(f"rolling back {planned.run}", err=True)
    send_plan(cluster, name, planned, reason=reason)
