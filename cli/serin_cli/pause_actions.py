"""Commands that stop a rollout and resume it: pause and resume."""

import typer

from serin_cli.action_requests import open_resource, plan_of, send_plan
from serin_cli.connection import Connection, on_cluster
from serin_cli.options import Name, Reason, examples

app = typer.Typer()


@app.command(
    epilog=examples("kubectl serin pause categories", 'kubectl serin pause categories --reason "odd numbers at 10 %"')
)
@on_cluster
def pause(name: Name, connection: Connection, reason: Reason = "") -> None:
    """Pause the running rollout: no step, and the soak timer is stopped.

    The percent of users stays. A failing gate still rolls back, and `abort` works. The pause ends with `resume`, or
    with the rollout. It is shown apart from spec.suspend.
    """
    _send("pause", name, connection, reason)


@app.command(epilog=examples('kubectl serin resume categories --reason "checked with the data team"'))
@on_cluster
def resume(name: Name, connection: Connection, reason: Reason = "") -> None:
    """Resume a paused rollout.

    This does not change spec.suspend: a suspended rollout stays suspended.
    """
    _send("resume", name, connection, reason)


def _send(action: str, name: str, connection: Connection, reason: str) -> None:
    cluster, live = open_resource(name, connection)
    send_plan(cluster, name, plan_of(action, live), reason=reason)
