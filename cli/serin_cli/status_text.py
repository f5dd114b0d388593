"""A rollout in words, for people at a terminal. Pure: status in, lines out."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from serin_core import gates
from serin_core.api.durations import format_duration
from serin_core.api.status import GateStatus


def tell(live: Mapping[str, Any], *, now: datetime) -> list[str]:
    """Answer how a SuggestionModel stands, line by line."""
    status = live.get("status")
    name = f"{live['metadata']['namespace']}/{live['metadata']['name']}"
    if not status:
        return [f"{name}: no status yet; is the operator running?"]
    lines = [f"{name}: {status.get('phase', 'Pending')}"]
    ready: Mapping[str, Any] = next((one for one in status.get("conditions", []) if one["type"] == "Ready"), {})
    lines.append(f"  {ready.get('reason', '')}: {ready.get('message', '')}")
    stable = status.get("stable") or {}
    since = f", since {stable['since'][:19]}Z" if stable else ""
    lines.append(f"  stable     {stable.get('runID', 'the rules')}{since}")
    candidate = status.get("candidate")
    if candidate:
        attempt = candidate.get("attempt", 1)
        tried = f", attempt {attempt}" if attempt > 1 else ""
        lines.append(
            f"  candidate  {candidate['runID']}, {candidate['state']} at {candidate.get('percent', 0):g} %{tried}"
        )
        if candidate.get("stageStartedAt"):
            age = now - datetime.fromisoformat(candidate["stageStartedAt"])
            lines.append(f"  stage      for {age.total_seconds():.0f} s")
    progress = status.get("propagation", {})
    confirmed = "confirmed" if progress.get("confirmed") else "not confirmed"
    lines.append(
        f"  routing    revision {progress.get('revision', 0)}, {confirmed} ({progress.get('pods', '0/0')} pods)"
    )
    lines += [f"  gate       {_gate(gate)}" for gate in status.get("gates", [])]
    lines += [tell_transition(entry) for entry in status.get("history", [])[-5:]]
    return lines


def tell_evidence(live: Mapping[str, Any], *, now: datetime) -> list[str]:
    """Answer what each gate of the present stage has seen, a sentence each; of an ended trial, what ended it."""
    status = live.get("status") or {}
    name = f"{live['metadata']['namespace']}/{live['metadata']['name']}"
    candidate, found = status.get("candidate") or {}, status.get("gates", [])
    began = candidate.get("stageStartedAt")
    if began and found:
        age = now - datetime.fromisoformat(began)
        place = f"{candidate['percent']:g} %" if candidate.get("percent") else "shadow"
        head = f"{name}: {candidate['runID']} in {place}, stage {candidate.get('stage')}, counting for {_clock(age)}"
        return [head, *(f"  {gates.explain(GateStatus.model_validate(gate), age=age)}" for gate in found)]
    ended: Mapping[str, Any] = next((one for one in reversed(status.get("history", [])) if one.get("gates")), {})
    if not ended:
        return [f"{name}: no stage has been judged yet"]
    lines = [f"{name}: no stage is being judged; the last evidence is that of", f"  {tell_transition(ended)}"]
    return lines + [f"  {gates.explain(GateStatus.model_validate(gate), age=None)}" for gate in ended["gates"]]


def _clock(age: timedelta) -> str:
    return format_duration(timedelta(seconds=round(age.total_seconds())))


def _gate(gate: Mapping[str, Any]) -> str:
    needed = gate.get("needed")
    more = f", about {needed} more to a verdict" if needed else ""
    return f"{gates.describe(GateStatus.model_validate(gate))}: {gate['verdict']}{more}"


def tell_transition(entry: Mapping[str, Any]) -> str:
    """Answer one transition in one line."""
    by = "" if entry.get("by", "operator") == "operator" else f" (asked: {entry['by']})"
    return f"{entry['at'][:19]}Z  {entry['event']:<10} {entry['message']}{by}"
