"""The verbs on a cluster: see one rollout, follow it, ask something of it.

Whatever is asked goes through an annotation (docs/contracts.md), so that nobody needs to write status.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml

from serin_cli.kubernetes_client import AbsentError, Cluster, ClusterError
from serin_cli.status_text import tell, tell_evidence, tell_transition
from serin_core.contract.names import REQUEST_PREFIX

app = typer.Typer()
ANSWER_WITHIN = 30.0
RIDE_OUT = 60.0
"""Seconds for which `watch` puts up with an API server that gives nothing but errors."""
ENDED = {"Promoted": 0, "AtCap": 0, "RolledBack": 1, "RunRefused": 1}


class Output(StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


Name = Annotated[str, typer.Argument(help="The SuggestionModel.", show_default=False)]
Namespace = Annotated[str | None, typer.Option("-n", "--namespace", help="Its namespace (the context's own).")]
Context = Annotated[str | None, typer.Option("--context", help="The kubeconfig context to use.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the history.")]


def _open(namespace: str | None, context: str | None) -> Cluster:
    try:
        return Cluster.connect(namespace=namespace, context=context)
    except ClusterError as error:
        raise _failure(error) from None


def _failure(error: Exception) -> typer.Exit:
    typer.echo(f"serin: {error}", err=True)
    return typer.Exit(1)


@app.command()
def status(
    name: Name,
    namespace: Namespace = None,
    context: Context = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="text, json or yaml.")] = Output.TEXT,
) -> None:
    """Say how a rollout stands, with its evidence."""
    cluster = _open(namespace, context)
    try:
        live = cluster.get(name)
    except ClusterError as error:
        raise _failure(error) from None
    match output:
        case Output.JSON:
            typer.echo(json.dumps(live.get("status", {}), indent=2))
        case Output.YAML:
            typer.echo(yaml.safe_dump(live.get("status", {}), sort_keys=False), nl=False)
        case Output.TEXT:
            typer.echo("\n".join(tell(live, now=datetime.now(UTC))))


@app.command()
def explain(name: Name, namespace: Namespace = None, context: Context = None) -> None:
    """Say in sentences what each gate has seen, how sure that is, and what a verdict still needs."""
    cluster = _open(namespace, context)
    try:
        live = cluster.get(name)
    except ClusterError as error:
        raise _failure(error) from None
    typer.echo("\n".join(tell_evidence(live, now=datetime.now(UTC))))


@app.command()
def watch(
    name: Name,
    namespace: Namespace = None,
    context: Context = None,
    timeout: Annotated[float, typer.Option(help="Give up after so many seconds; 0: never.")] = 0,
) -> None:
    """Follow a rollout until it ends: exit status 0 when promoted, 1 when rolled back, refused or out of time."""
    cluster = _open(namespace, context)
    try:
        for line, ended in _follow(cluster, name, timeout):
            typer.echo(line)
            if ended is not None:
                raise typer.Exit(ended)
    except ClusterError as error:
        raise _failure(error) from None


def _follow(cluster: Cluster, name: str, timeout: float) -> Iterator[tuple[str, int | None]]:
    told: set[tuple[str, str]] = set()
    last = ""
    for live in _looks(cluster, name, timeout=timeout):
        status = live.get("status", {})
        for entry in status.get("history", []):
            if (entry["at"], entry["event"]) not in told:
                told.add((entry["at"], entry["event"]))
                yield tell_transition(entry), None
        if status.get("observedGeneration") != live["metadata"]["generation"]:
            continue
        ready: dict[str, Any] = next((one for one in status.get("conditions", []) if one["type"] == "Ready"), {})
        line, ended = f"  {ready.get('reason', '')}: {ready.get('message', '')}", _outcome(live, ready)
        if line != last or ended is not None:
            last = line
            yield line, ended
        if ended is None and _wants_no_pods(live):
            yield "  no pods are wanted (spec.server.replicas is 0): it cannot go on", 1
    yield f"  not over after {timeout:g} s", 1


def _looks(cluster: Cluster, name: str, *, timeout: float) -> Iterator[dict[str, Any]]:
    """Look every second, and ride out an API server that is away. Raises ClusterError after a minute of errors."""
    deadline = time.monotonic() + timeout if timeout else None
    failing_since: float | None = None
    while deadline is None or time.monotonic() < deadline:
        try:
            live = cluster.get(name)
        except AbsentError:
            raise
        except ClusterError as error:
            failing_since = _ride_out(error, failing_since)
        else:
            failing_since = None
            yield live
        time.sleep(1.0)


def _ride_out(error: ClusterError, since: float | None) -> float:
    """Answer since when there are nothing but errors; the first is told, the one after a minute raised."""
    now = time.monotonic()
    if since is None:
        typer.echo(f"serin: {error}; looking again", err=True)
        return now
    if now - since >= RIDE_OUT:
        raise error
    return since


def _outcome(live: dict[str, Any], ready: dict[str, Any]) -> int | None:
    """Answer the exit status of a rollout that ended, None while it goes on or a pod has not confirmed."""
    confirmed = live["status"].get("propagation", {}).get("confirmed", False)
    # Where no pods are wanted, none can serve anything else.
    return ENDED.get(ready.get("reason", "")) if confirmed or _wants_no_pods(live) else None


def _wants_no_pods(live: dict[str, Any]) -> bool:
    return bool(live.get("spec", {}).get("server", {}).get("replicas") == 0)


def _ask(action: str, name: str, value: str, *, namespace: str | None, context: str | None) -> None:
    """Write the annotation, and wait for the operator's answer."""
    cluster = _open(namespace, context)
    try:
        _wait_for_status(cluster, name)
        cluster.annotate(name, {f"{REQUEST_PREFIX}{action}": value})
        answer = _answer_to(cluster, name, action, value)
    except ClusterError as error:
        raise _failure(error) from None
    typer.echo(answer)
    if answer.startswith(("Ignored", "no answer")):
        raise typer.Exit(1)


def _wait_for_status(cluster: Cluster, name: str) -> None:
    deadline = time.monotonic() + ANSWER_WITHIN
    while not cluster.get(name).get("status"):
        if time.monotonic() > deadline:
            raise ClusterError(f"{name} has no status yet: is the operator running?")
        time.sleep(0.5)


def _answer_to(cluster: Cluster, name: str, action: str, value: str) -> str:
    deadline = time.monotonic() + ANSWER_WITHIN
    while time.monotonic() < deadline:
        handled = cluster.get(name).get("status", {}).get("handledRequests", [])
        for one in handled:
            if (one["action"], one["value"]) == (action, value):
                return str(one["answer"])
        time.sleep(0.5)
    return f"no answer within {ANSWER_WITHIN:g} s; the request stands, see `kubectl serin status {name}`"


def _value(run: str, reason: str, *extra: str) -> str:
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return " ".join([run, *extra, stamp, *reason.split()])


def _candidate(name: str, namespace: str | None, context: str | None) -> dict[str, Any]:
    cluster = _open(namespace, context)
    try:
        live = cluster.get(name)
    except ClusterError as error:
        raise _failure(error) from None
    candidate = live.get("status", {}).get("candidate")
    if not candidate:
        raise _failure(ClusterError(f"{name} has no run on trial"))
    return dict(candidate)


@app.command()
def promote(name: Name, namespace: Namespace = None, context: Context = None, reason: Reason = "") -> None:
    """Raise the run on trial one step now, skipping soak and missing evidence (never a failed gate)."""
    candidate = _candidate(name, namespace, context)
    value = _value(candidate["runID"], reason, f"{candidate.get('percent', 0):g}")
    _ask("promote", name, value, namespace=namespace, context=context)


@app.command(name="promote-full")
def promote_full(name: Name, namespace: Namespace = None, context: Context = None, reason: Reason = "") -> None:
    """Take the run on trial to everybody, skipping soaks and metric gates (never the acceptance gate)."""
    candidate = _candidate(name, namespace, context)
    _ask("promote-full", name, _value(candidate["runID"], reason), namespace=namespace, context=context)


@app.command()
def retry(name: Name, namespace: Namespace = None, context: Context = None, reason: Reason = "") -> None:
    """Try a run again that was rolled back or refused."""
    candidate = _candidate(name, namespace, context)
    _ask("retry", name, _value(candidate["runID"], reason), namespace=namespace, context=context)


@app.command()
def abort(
    name: Name,
    namespace: Namespace = None,
    context: Context = None,
    reason: Reason = "",
    run: Annotated[
        str | None, typer.Option(help="The run to take back (the one on trial, else the stable one).")
    ] = None,
) -> None:
    """Take a run back at once: the one on trial, or the promoted one."""
    cluster = _open(namespace, context)
    try:
        status = cluster.get(name).get("status", {})
    except ClusterError as error:
        raise _failure(error) from None
    candidate, stable = status.get("candidate") or {}, status.get("stable") or {}
    on_trial = candidate.get("runID") if candidate.get("state") not in ("RolledBack", "Refused") else None
    wanted = run or on_trial or stable.get("runID")
    if wanted is None:
        raise _failure(ClusterError(f"{name} serves no run that could be taken back"))
    typer.echo(f"taking {wanted} back", err=True)
    _ask("abort", name, _value(wanted, reason), namespace=namespace, context=context)
