"""`kubectl serin explain` as text: the evidence of the running stage, or how the last rollout ended. Pure."""

from datetime import datetime
from typing import Final

from serin_cli.resource import (
    Live,
    candidate_of,
    describe_entry,
    describe_ready,
    full_name,
    is_running,
    ready_condition,
    run_of,
    status_of,
)
from serin_cli.stage_text import describe_stage
from serin_cli.status_text import describe_checks, describe_gate
from serin_core.api.gate_status import GateStatus
from serin_core.gates import messages
from serin_core.rollout.canary_steps import stage_name

_USUAL: Final = "RolloutProgressing"
"""The reason of Ready while a rollout runs without a problem."""
_ENDS: Final = {"Refused": "was refused", "Stopped": "is stopped"}
"""How a rollout ended that was not rolled back, by the state of its candidate."""


def describe_evidence(live: Live, *, now: datetime) -> list[str]:
    """Return the lines of `kubectl serin explain`. Evidence is shown with the name of its run only."""
    if not live.get("status"):
        return [f"{full_name(live)}: no status yet; is the operator running?"]
    candidate = candidate_of(live)
    if not candidate:
        return _without_rollout(live)
    if not is_running(live):
        return _ended(live, candidate)
    if not candidate.get("stageStartedAt"):
        return [f"{full_name(live)}: {candidate['runID']} is in no stage yet", *_condition(live)]
    return _running(live, candidate, now)


def gates_of(live: Live) -> list[Live]:
    """Return the gates that judge the running stage, or that judged the run whose rollout has ended."""
    candidate = candidate_of(live)
    has_gates = bool(candidate.get("stageStartedAt")) if is_running(live) else candidate.get("state") != "Refused"
    return status_of(live).get("gates", []) if candidate and has_gates else []


def _without_rollout(live: Live) -> list[str]:
    stable = run_of(live, "stable")
    lines = [f"{full_name(live)}: no rollout is running; {stable or 'no run'} is stable", *_condition(live)]
    return lines + [f"  {describe_entry(entry)}" for entry in _history(live, stable)[-1:]]


def _ended(live: Live, candidate: Live) -> list[str]:
    run, state = candidate["runID"], candidate["state"]
    how = _ENDS.get(state, "was rolled back")
    lines = [f"{full_name(live)}: {run} {how}", *_condition(live)]
    lines += [f"  {describe_entry(entry)}" for entry in _history(live, run)[-1:]]
    found = gates_of(live)
    lines += [f"  gates of {run} at its last check:"] if found else []
    return lines + [f"    {describe_gate(gate, is_running=False)}" for gate in found]


def _running(live: Live, candidate: Live, now: datetime) -> list[str]:
    began = datetime.fromisoformat(candidate["stageStartedAt"])
    where = f"{stage_name(float(candidate.get('percent', 0)))}, stage {candidate.get('stage')}"
    lines = [f"{full_name(live)}: {candidate['runID']} in {where}", f"  {describe_stage(live, now=now)}"]
    if ready_condition(live).get("reason") != _USUAL:
        lines += _condition(live)
    found = gates_of(live)
    lines += [f"  {messages.explain(GateStatus.model_validate(gate), age=now - began)}" for gate in found]
    lines += [] if found else ["  no gate has been judged in this stage yet"]
    return lines + [f"  check {check}" for check in describe_checks(live)]


def _condition(live: Live) -> list[str]:
    return [f"  {describe_ready(live)}"] if ready_condition(live) else []


def _history(live: Live, run: str | None) -> list[Live]:
    return [entry for entry in live["status"].get("history", []) if run and entry.get("runID") == run]
