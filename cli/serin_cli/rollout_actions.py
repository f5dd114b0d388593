"""Manual actions on a rollout: promote, promote-full, retry, abort, undo.

Each one writes an annotation `request.serin.dev/<action>` and waits for the operator's answer in status
(docs/contracts.md, "Requests").
"""

import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from serin_cli.kubernetes_client import Cluster, ClusterError
from serin_cli.options import Context, Name, Namespace, Reason, examples, fail
from serin_core.contract.names import REQUEST_PREFIX
from serin_core.kubernetes.owner import owner_of

app = typer.Typer()
ANSWER_WITHIN: Final = 30.0
"""Seconds to wait for the operator's answer."""
ENDED: Final = ("RolledBack", "Refused")
"""States of a candidate whose rollout has ended."""


@app.command(epilog=examples('kubectl serin promote categories --reason "checked by hand"'))
def promote(name: Name, namespace: Namespace = None, context: Context = None, reason: Reason = "") -> None:
    """Advance the candidate to the next step now.

    Skips the soak and gates without a verdict, never a gate that failed.
    """
    cluster, live = _open(name, namespace, context)
    candidate = _candidate(live, missing="no rollout is running")
    _request(cluster, name, "promote", _value(candidate["runID"], f"{candidate.get('percent', 0):g}", reason=reason))


@app.command(
    name="promote-full", epilog=examples('kubectl serin promote-full categories --reason "restore after a mistake"')
)
def promote_full(name: Name, namespace: Namespace = None, context: Context = None, reason: Reason = "") -> None:
    """Advance the candidate through all remaining steps to promotion.

    Skips soaks and metric gates, never the acceptance gate.
    """
    cluster, live = _open(name, namespace, context)
    candidate = _candidate(live, missing="no rollout is running")
    _request(cluster, name, "promote-full", _value(candidate["runID"], reason=reason))


@app.command(epilog=examples('kubectl serin retry categories --reason "registry is mounted now"'))
def retry(name: Name, namespace: Namespace = None, context: Context = None, reason: Reason = "") -> None:
    """Start the rollout of a rolled back or refused run again.

    It begins in shadow, as a new attempt.
    """
    cluster, live = _open(name, namespace, context)
    candidate = _candidate(live, missing="nothing to retry: no run was rolled back or refused")
    _request(cluster, name, "retry", _value(candidate["runID"], reason=reason))


@app.command(
    epilog=examples(
        "kubectl serin abort categories",
        'kubectl serin abort categories --run run_1a2b3c4d_1767225600 --reason "wrong training data"',
    )
)
def abort(
    name: Name,
    namespace: Namespace = None,
    context: Context = None,
    reason: Reason = "",
    run: Annotated[
        str | None, typer.Option("--run", help="Abort only if this run is the candidate; otherwise do nothing.")
    ] = None,
) -> None:
    """End the running rollout and roll back its candidate.

    The stable run is never touched; to take it out of service, use `undo`.
    """
    cluster, live = _open(name, namespace, context)
    candidate = live.get("status", {}).get("candidate") or {}
    if not candidate or candidate.get("state") in ENDED:
        raise fail(_nothing_to_abort(name, live))
    if run not in (None, candidate["runID"]):
        raise fail(f"{run} is not the candidate; the candidate is {candidate['runID']}")
    typer.echo(f"rolling back {candidate['runID']}", err=True)
    _request(cluster, name, "abort", _value(candidate["runID"], reason=reason))


def _nothing_to_abort(name: str, live: dict[str, Any]) -> str:
    stable = (live.get("status", {}).get("stable") or {}).get("runID")
    if stable is None:
        return "no rollout is running; the rules serve all users"
    return f"no rollout is running; {stable} is stable. To take it out of service: kubectl serin undo {name}"


@app.command(
    epilog=examples(
        "kubectl serin undo categories",
        'kubectl serin undo categories --yes --reason "complaints about groceries"',
    )
)
def undo(
    name: Name,
    namespace: Namespace = None,
    context: Context = None,
    reason: Reason = "",
    *,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Take the stable run out of service; the previous run, or the rules, serve instead.

    Shows which run will serve and asks for confirmation.
    """
    cluster, live = _open(name, namespace, context)
    stable = (live.get("status", {}).get("stable") or {}).get("runID")
    if stable is None:
        raise fail(f"{name} has no stable run; the rules serve all users")
    typer.echo(_consequences(live, stable), err=True)
    if not yes and not is_terminal():
        raise fail("not confirmed: standard input is not a terminal; use --yes")
    if not yes and not typer.confirm("Continue?", err=True):
        raise fail("cancelled; nothing was changed")
    _request(cluster, name, "undo", _value(stable, reason=reason))


def is_terminal() -> bool:
    """Return whether standard input is a terminal, so that a question can be answered."""
    return sys.stdin.isatty()


def _consequences(live: dict[str, Any], stable: str) -> str:
    status = live.get("status", {})
    to_rules = live.get("spec", {}).get("rollback", {}).get("to") == "Rules"
    previous = None if to_rules else (status.get("previous") or {}).get("runID")
    text = f"{stable} will be taken out of service; {previous or 'the rules'} will serve instead."
    owner = owner_of(live)
    if owner is not None and live.get("spec", {}).get("runID") == stable:
        text += f" {owner.name[0].upper()}{owner.name[1:]} still has {stable}: change spec.runID there too."
    candidate = status.get("candidate") or {}
    if candidate and candidate.get("state") not in ENDED:
        text += f" The evidence of {candidate['runID']}, whose rollout is running, will be reset."
    return text


def _open(name: str, namespace: str | None, context: str | None) -> tuple[Cluster, dict[str, Any]]:
    try:
        cluster = Cluster.connect(namespace=namespace, context=context)
        return cluster, _with_status(cluster, name)
    except ClusterError as error:
        raise fail(error) from None


def _with_status(cluster: Cluster, name: str) -> dict[str, Any]:
    """Return the resource once the operator has written a status. Raises ClusterError after ANSWER_WITHIN."""
    deadline = time.monotonic() + ANSWER_WITHIN
    while not (live := cluster.get(name)).get("status"):
        if time.monotonic() > deadline:
            raise ClusterError(f"{name} has no status yet: is the operator running?")
        time.sleep(0.5)
    return live


def _candidate(live: dict[str, Any], *, missing: str) -> dict[str, Any]:
    candidate = live.get("status", {}).get("candidate")
    if not candidate:
        raise fail(missing)
    return dict(candidate)


def _value(run: str, *details: str, reason: str) -> str:
    """Return the value of a request: run, details, time, reason. The time makes each request a new one."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return " ".join([run, *details, moment, *reason.split()])


def _request(cluster: Cluster, name: str, action: str, value: str) -> None:
    """Write the annotation and print the operator's answer. Exits with status 1 if it was ignored or not answered."""
    try:
        cluster.annotate(name, {f"{REQUEST_PREFIX}{action}": value})
        answer = _answer(cluster, name, action, value)
    except ClusterError as error:
        raise fail(error) from None
    if answer is None:
        raise fail(
            f"the operator has not answered within {ANSWER_WITHIN:g} s; the request is pending and will still be "
            f"carried out. To withdraw it: kubectl annotate sgm {name} -n {cluster.namespace} {REQUEST_PREFIX}{action}-"
        )
    typer.echo(answer)
    if answer.startswith("Ignored"):
        raise typer.Exit(1)


def _answer(cluster: Cluster, name: str, action: str, value: str) -> str | None:
    deadline = time.monotonic() + ANSWER_WITHIN
    while time.monotonic() < deadline:
        handled = cluster.get(name).get("status", {}).get("handledRequests", [])
        for one in handled:
            if (one["action"], one["value"]) == (action, value):
                return str(one["answer"])
        time.sleep(0.5)
    return None
