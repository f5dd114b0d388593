"""Commands that stop a rollout and resume it: pause and resume."""

import typer

from serin_cli.action_requests import open_resource, send
from serin_cli.options import Context, Name, Namespace, Reason, examples, fail
from serin_cli.resource import candidate_of, is_running

app = typer.Typer()


@app.command(
    epilog=examples("kubectl serin pause categories", 'kubectl serin pause categories --reason "odd numbers at 10 %"')
)
def pause(name: Name, namespace: Namespace = None, context: Context = None, reason: Reason = "") -> None:
    """Pause the running rollout: no step, and the soak timer is stopped.

    The percent of users stays. A failing gate still rolls back, and `abort` works. The pause ends with `resume`, or
    with the rollout. It is shown apart from spec.suspend.
    """
    _send("pause", name, namespace, context, reason)


@app.command(epilog=examples('kubectl serin resume categories --reason "checked with the data team"'))
def resume(name: Name, namespace: Namespace = None, context: Context = None, reason: Reason = "") -> None:
    """Resume a paused rollout.

    This does not change spec.suspend: a suspended rollout stays suspended.
    """
    _send("resume", name, namespace, context, reason)


def _send(action: str, name: str, namespace: str | None, context: str | None, reason: str) -> None:
    cluster, live = open_resource(name, namespace, context)
    if not is_running(live):
        raise fail(f"nothing to {action}: no rollout is running")
    send(cluster, name, action, candidate_of(live)["runID"], reason=reason)
