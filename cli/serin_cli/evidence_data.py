"""`kubectl serin explain` for programs: the same evidence as its text, as data. Pure."""

from datetime import datetime
from typing import Any

from serin_cli.evidence_text import gates_of
from serin_cli.resource import Live, candidate_of, full_name, is_running, ready_condition, run_of, status_of
from serin_cli.stage_text import describe_stage
from serin_cli.status_text import describe_gate
from serin_core.api.gate_status import GateStatus
from serin_core.gates import messages


def evidence_of(live: Live, *, now: datetime) -> dict[str, Any]:
    """Return the rollout with each gate's status, what it shows in a sentence, and the time to its verdict.

    `run` is the candidate, without one the stable run. `secondsLeft` is None where it is not known.
    """
    candidate, running = candidate_of(live), is_running(live)
    ready = ready_condition(live)
    return {
        "name": full_name(live),
        "run": candidate.get("runID") or run_of(live, "stable"),
        "isRunning": running,
        "stage": _stage(candidate) if running else None,
        "explanation": describe_stage(live, now=now),
        "ready": {key: ready.get(key, "") for key in ("status", "reason", "message")},
        "gates": [_gate(gate, candidate if running else None, now) for gate in gates_of(live)],
        "checks": list(status_of(live).get("checks", [])) if running else [],
    }


def _stage(candidate: Live) -> dict[str, Any] | None:
    """Return where the stage of a running rollout is; None before it has started."""
    if not candidate.get("stageStartedAt"):
        return None
    return {key: candidate.get(key) for key in ("stage", "percent", "stageStartedAt")}


def _gate(gate: Live, candidate: Live | None, now: datetime) -> dict[str, Any]:
    """Return a gate as in the status, explained; without a candidate, as at the last check."""
    if candidate is None:
        return {**gate, "explanation": describe_gate(gate, is_running=False), "secondsLeft": None}
    found, age = GateStatus.model_validate(gate), now - datetime.fromisoformat(candidate["stageStartedAt"])
    left = messages.time_left(found, age)
    seconds = None if left is None else left.total_seconds()
    return {**gate, "explanation": messages.explain(found, age=age), "secondsLeft": seconds}
