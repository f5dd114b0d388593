"""Checks of the gates of the running stage: data, verdicts, and whether the traffic suffices. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from serin_cli.doctor.results import Outcome, Result
from serin_cli.doctor.seen import Json, Model
from serin_core.api.durations import format_duration, parse_duration
from serin_core.api.gate_status import GateRole, GateStatus
from serin_core.api.spec import Analysis
from serin_core.evidence.counts import Verdict
from serin_core.gates.messages import time_left

_PATIENCE: Final = timedelta(minutes=3)
"""Age of a stage before which a gate may be without data: Prometheus has to scrape the pods first."""


def gate_results(seen: Model, now: datetime) -> Iterator[Result]:
    """Yield a result for each gate of the running stage."""
    candidate = seen.status.get("candidate") or {}
    if not candidate.get("stageStartedAt"):
        return
    age = now - datetime.fromisoformat(candidate["stageStartedAt"])
    for gate in seen.status.get("gates") or []:
        yield _of_status(gate, age, seen)


def _of_status(given: Json, age: timedelta, seen: Model) -> Result:
    try:
        gate = GateStatus.model_validate(given)
    except ValidationError:
        found = "this program cannot read its status"
        remedy = "install the operator's version of this program (kubectl serin version)"
        return Result(f"gate {given.get('name', '')}", Outcome.UNKNOWN, found, remedy)
    return _of_gate(gate, age, seen)


def _longest(seen: Model) -> timedelta:
    given = (seen.spec.get("analysis") or {}).get("maxDuration")
    try:
        return Analysis().max_duration if given is None else parse_duration(given)
    except ValueError:
        return Analysis().max_duration


def _of_gate(gate: GateStatus, age: timedelta, seen: Model) -> Result:
    check, detail = f"gate {gate.name}", f": {gate.detail}" if gate.detail else ""
    is_due = gate.role is GateRole.ACTING and age > _PATIENCE
    if gate.verdict is Verdict.FAIL:
        outcome = Outcome.WARNING if gate.role is GateRole.DRY_RUN else Outcome.PROBLEM
        return Result(check, outcome, f"Fail, {gate.reason}{_numbers(gate)}{detail}", _explain(seen))
    if gate.verdict is Verdict.PASS:
        return Result(check, Outcome.OK, f"Pass{_numbers(gate)}")
    if not (gate.total if gate.query is None else gate.has_data):
        remedy = "docs/prometheus.md; is there traffic, and does Prometheus scrape these pods?" if is_due else ""
        found = f"no data for {format_duration(_rounded(age))}, {gate.reason}{detail}"
        return Result(check, Outcome.PROBLEM if is_due else Outcome.OK, found, remedy)
    left, longest = time_left(gate, age), _longest(seen)
    if is_due and left and age + left > longest:
        found = (
            f"too little traffic: about {gate.needed:,} more are needed, which takes {format_duration(left)} "
            f"at this rate; analysis.maxDuration is {format_duration(longest)}"
        )
        remedy = "a margin or a less strict bound of the gate, a longer spec.analysis.maxDuration, or more traffic"
        return Result(check, Outcome.WARNING, found, remedy)
    return Result(check, Outcome.OK, f"no verdict yet, {gate.reason}{_numbers(gate)}")


def _explain(seen: Model) -> str:
    return f"kubectl serin explain {seen.name} -n {seen.live['metadata']['namespace']}"


def _rounded(time: timedelta) -> timedelta:
    return timedelta(seconds=round(time.total_seconds()))


def _numbers(gate: GateStatus) -> str:
    return "" if not gate.total or gate.estimate is None else f", {100 * gate.estimate:.1f} % of {gate.total:,.0f}"
