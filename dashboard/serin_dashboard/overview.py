"""The rows of the overview: every SuggestionModel, sorted by what needs a user. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from serin_cli.resource import Live, candidate_of, is_running, ready_condition, run_of, status_of
from serin_cli.stage_text import describe_stage
from serin_core.api.durations import format_duration
from serin_core.api.gate_status import GateRole, GateStatus
from serin_core.evidence.counts import Verdict
from serin_core.gates import messages
from serin_dashboard.attention import Attention, attention_of
from serin_dashboard.store import Entry

EVERYONE: Final = 100.0


@dataclass(frozen=True, slots=True)
class Row:
    """One SuggestionModel in the overview."""

    namespace: str
    name: str
    attention: Attention
    phase: str
    run: str
    """The run that the phase is about, "" if there is none."""
    stable: str
    share: float | None
    """Percent of users that the run serves, None before the first decision."""
    reason: str
    message: str
    since: str
    """Time since which Ready has its reason, "" if not known."""
    gate: str
    """The gate that decides next, "" if none does."""
    left: str
    """Estimated time until then, "" if not known."""
    stage: str

    @property
    def path(self) -> str:
        """Path of its page."""
        return f"/models/{self.namespace}/{self.name}"


def rows_of(entries: Iterable[Entry], *, now: datetime) -> list[Row]:
    """Return the rows, those first that need a user, and the longest waiting first among these."""
    rows = [row_of(one, now=now) for one in entries]
    return sorted(rows, key=lambda row: (row.attention, row.since or "9", row.namespace, row.name))


def row_of(entry: Entry, *, now: datetime) -> Row:
    """Return the row of one SuggestionModel."""
    live, status, ready = entry.live, status_of(entry.live), ready_condition(entry.live)
    gate, left = ("", None) if entry.problem else deciding_gate(live, now=now)
    return Row(
        namespace=live["metadata"]["namespace"],
        name=live["metadata"]["name"],
        attention=Attention.PROBLEM if entry.problem else attention_of(live),
        phase=status.get("phase", "Pending"),
        run=run_of(live, "candidate") or run_of(live, "stable") or "",
        stable=run_of(live, "stable") or "",
        share=share_of(live),
        reason="Unreadable" if entry.problem else ready.get("reason", "NoStatus"),
        message=entry.problem or ready.get("message", "The operator has not written a status yet."),
        since=status.get("readyReasonSince") or ready.get("lastTransitionTime") or "",
        gate=gate,
        left="" if left is None else format_duration(left),
        stage="" if entry.problem else _stage(live, now),
    )


def share_of(live: Live) -> float | None:
    """Return the percent of users that the candidate serves, or without one the stable run; None without a status."""
    status, candidate = status_of(live), candidate_of(live)
    if candidate:
        return min(float(candidate.get("percent", 0)), EVERYONE - float(candidate.get("holdback", 0)))
    return (EVERYONE if status.get("stable") else 0.0) if status else None


def deciding_gate(live: Live, *, now: datetime) -> tuple[str, timedelta | None]:
    """Return the gate that the step waits for longest, or that fails, and the estimated time until its verdict."""
    began = candidate_of(live).get("stageStartedAt")
    if not began or not is_running(live):
        return "", None
    age = now - datetime.fromisoformat(began)
    gates = [gate for gate in gates_of(live) if gate.role is not GateRole.DRY_RUN]
    if failed := [gate.name for gate in gates if gate.verdict is Verdict.FAIL]:
        return failed[0], timedelta()
    waiting = [gate for gate in gates if gate.role is GateRole.ACTING and gate.verdict is Verdict.INCONCLUSIVE]
    if not waiting:
        return "", None
    times = [(messages.time_left(gate, age), gate.name) for gate in waiting]
    left, name = max(times, key=lambda one: timedelta.max if one[0] is None else one[0])
    return name, left


def gates_of(live: Live) -> list[GateStatus]:
    """Return the gates of the stage; those that cannot be read are left out."""
    found = []
    for one in status_of(live).get("gates", []):
        try:
            found.append(GateStatus.model_validate(one))
        except ValidationError:
            continue
    return found


def _stage(live: Live, now: datetime) -> str:
    try:
        return describe_stage(live, now=now)
    except (KeyError, ValueError):
        # Written by another version: the condition still says what is the matter.
        return ""
