"""`kubectl serin set-run`: roll out another run by an edit of spec.runID."""

from typing import Annotated, Any

import typer

from serin_cli.cluster_errors import cluster_errors
from serin_cli.confirmation import Yes, confirm
from serin_cli.connection import Connection, on_cluster
from serin_cli.exit_codes import ExitCode
from serin_cli.options import Name, examples, fail, refuse
from serin_cli.ownership import refuse_if_owned
from serin_cli.resource import Live, candidate_of, full_name, is_running, restorable, run_of, status_of

app = typer.Typer()


@app.command(
    "set-run",
    epilog=examples(
        "kubectl serin set-run categories run_1a2b3c4d_1767225600",
        "kubectl serin set-run categories run_1a2b3c4d_1767225600 --yes",
    ),
)
@on_cluster
def set_run(
    name: Name,
    run: Annotated[str, typer.Argument(help="Name of the run, as `serin runs list` prints it.")],
    connection: Connection,
    digest: Annotated[
        str | None, typer.Option("--digest", help="Digest of the run; needed where spec.digest pins that of another.")
    ] = None,
    *,
    yes: Yes = False,
) -> None:
    """Set spec.runID, so that another run is rolled out.

    The API server checks the form of the name before anything else; the pods then look for the run in the registry.
    Shows what will happen. Asks for confirmation if a rollout is running, which ends. Refused where Argo CD, Flux or
    Helm sets spec.runID; prints what to commit.
    """
    with cluster_errors():
        cluster = connection.open()
        live = cluster.get(name)
        change = _change(live, run, digest)
        if not change:
            typer.echo(f"{full_name(live)}: spec.runID is {run} already; nothing was changed")
            return
        cluster.edit(name, change, dry_run=True)
    refuse_if_owned(live, change, can_be_forced=False)
    typer.echo(_consequences(live, run), err=True)
    confirm(yes=yes or not is_running(live))
    with cluster_errors():
        cluster.edit(name, change)
    typer.echo(f"{full_name(live)}: spec.runID set to {run}. To follow it: kubectl serin watch {name}")


def _change(live: Live, run: str, digest: str | None) -> dict[str, Any]:
    """Return the edit of the spec, {} if the spec is as wanted."""
    spec = live.get("spec", {})
    if digest is not None and not digest.startswith("sha256:"):
        refuse(f"{digest} is not a digest; write sha256: and 64 hexadecimal digits")
    is_other = spec.get("runID") != run
    if digest is None and is_other and spec.get("digest"):
        digest = (restorable(live).get(run) or {}).get("digest")
        if not digest:
            raise fail(
                f"spec.digest pins the digest of {spec.get('runID')}; add --digest with that of {run}, "
                "as `serin runs list -o json` prints it",
                ExitCode.REFUSED,
            )
    wanted = {"runID": run} | ({} if digest is None else {"digest": digest})
    return {key: value for key, value in wanted.items() if spec.get(key) != value}


def _consequences(live: Live, run: str) -> str:
    """Return what the operator will do with the run (docs/contracts.md, "How a rollout behaves")."""
    stable = run_of(live, "stable")
    candidate = candidate_of(live)
    ends = ""
    if is_running(live) and candidate["runID"] != run:
        ends = f"The rollout of {candidate['runID']}, which serves {candidate.get('percent', 0):g} %, ends. "
    if run == stable:
        return f"{ends}{run} is the stable run and stays it."
    if run in {one["runID"] for one in status_of(live).get("rejected", [])}:
        return f"{ends}{run} was rolled back before: it is not rolled out again without `kubectl serin retry`."
    if run in restorable(live):
        return (
            f"{ends}{run} was promoted before: it will serve all users without a trial, once every pod has loaded it."
        )
    return f"{ends}{run} will be rolled out against {stable or 'the rules'}, beginning in shadow."
