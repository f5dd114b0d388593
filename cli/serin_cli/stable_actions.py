"""Manual actions on promoted runs: undo, and trust after a restore from a backup."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from serin_cli.action_plans import change_of_undo
from serin_cli.action_requests import open_resource, plan_of, send, send_plan
from serin_cli.confirmation import Yes, confirm
from serin_cli.connection import Connection, on_cluster
from serin_cli.exit_codes import ExitCode
from serin_cli.options import Name, Reason, examples, fail, refuse
from serin_cli.ownership import refuse_if_owned
from serin_cli.resource import Live, is_running, restorable, run_of

app = typer.Typer()


@app.command(
    epilog=examples(
        "kubectl serin undo categories",
        'kubectl serin undo categories --yes --reason "complaints about groceries"',
        "kubectl serin undo categories --to run_1a2b3c4d_1767225600",
    )
)
@on_cluster
def undo(  # noqa: PLR0913 - options of the command line, given by name
    name: Name,
    connection: Connection,
    reason: Reason = "",
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Restore this run, which was promoted before: spec.runID is set to it. It serves once all pods have "
            "loaded it; the stable run serves until then, and can be restored afterwards.",
        ),
    ] = None,
    *,
    yes: Yes = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Act although Argo CD, Flux or Helm sets spec.runID; commit the change, too. Not with --to, which "
            "edits what Git would set back.",
        ),
    ] = False,
) -> None:
    """Take the stable run out of service, or restore an earlier run with --to.

    Without --to, the previous run, or the rules, serve at once, and the stable run counts as rolled back. Shows which
    run will serve and asks for confirmation. Refused where Git has the run; prints what to commit.
    """
    if force and to is not None:
        refuse("--force cannot be used with --to, which edits spec.runID: Argo CD, Flux or Helm would set it back")
    cluster, live = open_resource(name, connection)
    if to is not None:
        change = _change_to(live, to)
        refuse_if_owned(live, change, can_be_forced=False)
        typer.echo(_consequences_of_restore(live, to, change), err=True)
        confirm(yes=yes)
        send(cluster, name, "restore", to, reason=reason, spec=change)
        return
    planned = plan_of("undo", live)
    if not force:
        refuse_if_owned(live, change_of_undo(live), can_be_forced=True)
    typer.echo(planned.effect, err=True)
    confirm(yes=yes)
    send_plan(cluster, name, planned, reason=reason)


@app.command(
    epilog=examples(
        "kubectl serin trust categories --run run_1a2b3c4d_1767225600",
        'kubectl serin trust categories --run run_1a2b3c4d_1767225600 --yes --reason "restored with Velero"',
    )
)
@on_cluster
def trust(  # noqa: PLR0913 - options of the command line, given by name
    name: Name,
    connection: Connection,
    reason: Reason = "",
    *,
    run: Annotated[str, typer.Option("--run", help="The run that is trusted.", show_default=False)],
    digest: Annotated[
        str | None,
        typer.Option("--digest", help="Expected digest of the run; by default the one that the pods find is pinned."),
    ] = None,
    yes: Yes = False,
) -> None:
    """Declare which run is trusted, after a restore from a backup: it serves without a trial.

    Refused where a run is stable. The run serves all users without shadow and steps, once every pod has loaded it. If
    spec.runID is another run, that one is then rolled out against it. Asks for confirmation.
    """
    cluster, live = open_resource(name, connection)
    stable = run_of(live, "stable")
    if stable is not None:
        raise fail(f"{stable} is stable; a run is declared as trusted only where there is none", ExitCode.REFUSED)
    if digest is not None and not digest.startswith("sha256:"):
        refuse(f"{digest} is not a digest; write sha256: and 64 hexadecimal digits")
    ended = f" The rollout of {run_of(live, 'candidate')} ends." if is_running(live) else ""
    typer.echo(f"{run} will serve all users without shadow and steps, once every pod has loaded it.{ended}", err=True)
    confirm(yes=yes)
    send(cluster, name, "trust", run, *([digest] if digest else []), reason=reason)


def _change_to(live: Live, run: str) -> dict[str, Any]:
    """Return the edit of the spec that restores a run, with the settings under which it was promoted."""
    found, spec = restorable(live), live.get("spec", {})
    if run == run_of(live, "stable"):
        raise fail(f"{run} is the stable run already", ExitCode.REFUSED)
    if run not in found:
        raise fail(f"{run} cannot be restored; {', '.join(found) or 'no run'} can", ExitCode.REFUSED)
    if spec.get("canary", {}).get("percent") == 0:
        raise fail("spec.canary.percent is 0, so that no user would be served; set it to 100 first", ExitCode.REFUSED)
    earlier = found[run]
    change: dict[str, Any] = {"runID": run}
    if spec.get("digest"):
        change["digest"] = earlier["digest"]
    wanted, present = earlier.get("thresholds"), spec.get("thresholds") or {}
    if wanted is not None and not _is_same(wanted, present):
        # A merge patch keeps what it does not name.
        others = dict.fromkeys(present.get("perClass") or {})
        change["thresholds"] = {"default": wanted["default"], "perClass": others | wanted.get("perClass", {})}
    if earlier.get("calibration", True) != spec.get("calibration", True):
        change["calibration"] = earlier.get("calibration", True)
    return change


def _is_same(wanted: Live, present: Live) -> bool:
    classes = wanted.get("perClass") or {}
    return (wanted["default"], classes) == (present.get("default", 0.7), present.get("perClass") or {})


def _consequences_of_restore(live: Live, run: str, change: Mapping[str, Any]) -> str:
    stable = run_of(live, "stable") or "the rules"
    verb = "serve" if stable == "the rules" else "serves"
    text = f"{run} will serve all users once every pod has loaded it; {stable} {verb} until then."
    if settings := [f"spec.{key}" for key in change if key in ("thresholds", "calibration")]:
        text += f" {' and '.join(settings)} will be set to what it was promoted with."
    if is_running(live):
        text += f" The rollout of {run_of(live, 'candidate')} ends."
    return text
