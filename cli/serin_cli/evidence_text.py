"""`kubectl serin explain` as text: the evidence of the running stage, or how the last rollout ended. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from serin_cli.status_text import (
    ENDED,
    describe_entry,
    describe_gate,
    describe_stage,
    full_name,
    place,
    ready_condition,
)
from serin_core import gates
from serin_core.api.status import GateStatus

_USUAL: Final = "RolloutProgressing"
"""The reason of Ready while a rollout runs without a problem."""


def describe_evidence(live: Mapping[str, Any], *, now: datetime) -> list[str]:
    """Return the lines of `kubectl serin explain`. Evidence is shown with the name of its run only."""
    status = live.get("status")
    if not status:
        return [f"{full_name(live)}: no status yet; is the operator running?"]
    candidate = status.get("candidate")
    if not candidate:
        return _without_rollout(live)
    if candidate.get("state") in ENDED:
        return _ended(live, candidate)
    if not candidate.get("stageStartedAt"):
        return [f"{full_name(live)}: {candidate['runID']} is in no stage yet", *_condition(live)]
    return _running(live, candidate, now)


def _without_rollout(live: Mapping[str, Any]) -> list[str]:
    stable = (live["status"].get("stable") or {}).get("runID")
    lines = [f"{full_name(live)}: no rollout is running; {stable or 'no run'} is stable", *_condition(live)]
    return lines + [f"  {describe_entry(entry)}" for entry in _history(live, stable)[-1:]]


def _ended(live: Mapping[str, Any], candidate: Mapping[str, Any]) -> list[str]:
    run, is_refused = candidate["runID"], candidate["state"] == "Refused"
    lines = [f"{full_name(live)}: {run} was {'refused' if is_refused else 'rolled back'}", *_condition(live)]
    lines += [f"  {describe_entry(entry)}" for entry in _history(live, run)[-1:]]
    found = [] if is_refused else live["status"].get("gates", [])
    if found:
        lines.append(f"  gates of {run} at its last check:")
    return lines + [f"    {describe_gate(gate, is_running=False)}" for gate in found]


def _running(live: Mapping[str, Any], candidate: Mapping[str, Any], now: datetime) -> list[str]:
    began = datetime.fromisoformat(candidate["stageStartedAt"])
    where = f"{place(float(candidate.get('percent', 0)))}, stage {candidate.get('stage')}"
    lines = [f"{full_name(live)}: {candidate['runID']} in {where}", f"  {describe_stage(live, now=now)}"]
    if ready_condition(live).get("reason") != _USUAL:
        lines += _condition(live)
    found = live["status"].get("gates", [])
    lines += [f"  {gates.explain(GateStatus.model_validate(gate), age=now - began)}" for gate in found]
    return lines if found else [*lines, "  no gate has been judged in this stage yet"]


def _condition(live: Mapping[str, Any]) -> list[str]:
    ready = ready_condition(live)
    return [f"  {ready['reason']}: {ready.get('message', '')}"] if ready else []


def _history(live: Mapping[str, Any], run: str | None) -> list[Mapping[str, Any]]:
    return [entry for entry in live["status"].get("history", []) if run and entry.get("runID") == run]
