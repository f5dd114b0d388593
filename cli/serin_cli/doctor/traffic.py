"""Checks of the gates of the running stage: data, verdicts, and whether the traffic suffices. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from serin_cli.doctor.results import Outcome, Result
from serin_cli.doctor.seen import Model
from serin_core.api.durations import format_duration, parse_duration
from serin_core.api.spec import Analysis

_PATIENCE: Final = timedelta(minutes=3)
"""Age of a stage before which a gate may be without data: Prometheus has to scrape the pods first."""


def gate_results(seen: Model, now: datetime) -> Iterator[Result]:
    """Yield a result for each gate of the running stage."""
    candidate = seen.status.get("candidate") or {}
    if not candidate.get("stageStartedAt"):
        return
    age = now - datetime.fromisoformat(candidate["stageStartedAt"])
    for gate in seen.status.get("gates") or []:
        yield _of_gate(gate, age, seen)


def _longest(seen: Model) -> timedelta:
    given = (seen.spec.get("analysis") or {}).get("maxDuration")
    try:
        return Analysis().max_duration if given is None else parse_duration(given)
    except ValueError:
        return Analysis().max_duration


def _of_gate(gate: dict[str, Any], age: timedelta, seen: Model) -> Result:
    check, query = f"gate {gate['name']}", gate.get("query")
    verdict, reason, total = gate.get("verdict", "Inconclusive"), gate.get("reason", ""), gate.get("total")
    detail = f": {gate['detail']}" if gate.get("detail") else ""
    has_data = total if query is None else query.get("value") is not None
    acts = gate.get("role", "Acting") == "Acting"
    if verdict == "Fail":
        outcome = Outcome.WARNING if gate.get("role") == "DryRun" else Outcome.PROBLEM
        return Result(check, outcome, f"Fail, {reason}{_numbers(gate)}{detail}", _explain(seen))
    if verdict == "Pass":
        return Result(check, Outcome.OK, f"Pass{_numbers(gate)}")
    if not has_data:
        outcome = Outcome.PROBLEM if acts and age > _PATIENCE else Outcome.OK
        remedy = "docs/prometheus.md; is there traffic, and does Prometheus scrape these pods?"
        found = f"no data for {format_duration(_rounded(age))}, {reason}{detail}"
        return Result(check, outcome, found, "" if outcome is Outcome.OK else remedy)
    needed = gate.get("needed")
    longest = _longest(seen)
    if acts and needed and total and age > _PATIENCE:
        takes = age * (needed / total)
        if age + takes > longest:
            found = (
                f"too little traffic: about {needed:,} more are needed, which takes {format_duration(_rounded(takes))} "
                f"at this rate; analysis.maxDuration is {format_duration(longest)}"
            )
            remedy = "a margin or a less strict bound of the gate, a longer spec.analysis.maxDuration, or more traffic"
            return Result(check, Outcome.WARNING, found, remedy)
    return Result(check, Outcome.OK, f"no verdict yet, {reason}{_numbers(gate)}")


def _explain(seen: Model) -> str:
    return f"kubectl serin explain {seen.name} -n {seen.live['metadata']['namespace']}"


def _rounded(time: timedelta) -> timedelta:
    return timedelta(seconds=round(time.total_seconds()))


def _numbers(gate: dict[str, Any]) -> str:
    total, estimate = gate.get("total"), gate.get("estimate")
    return "" if not total or estimate is None else f", {100 * estimate:.1f} % of {total:,.0f}"
