"""The status of a rollout as text: one line for each fact. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from serin_core import gates
from serin_core.api.durations import format_duration
from serin_core.api.spec import Canary
from serin_core.api.status import GateStatus
from serin_core.rollout.canary_steps import effective_steps, next_step, soak_of

ENDED: Final = ("RolledBack", "Refused")
"""States of a candidate whose rollout has ended."""
_SHOWN: Final = 5
"""Entries of the history that are shown."""
_EVERYONE: Final = 100.0


def describe_status(live: Mapping[str, Any], *, now: datetime) -> list[str]:
    """Return the lines of `kubectl serin status`."""
    status = live.get("status")
    if not status:
        return [f"{full_name(live)}: no status yet; is the operator running?"]
    ready, stable, candidate = ready_condition(live), status.get("stable") or {}, status.get("candidate") or {}
    since = f", since {stable['since'][:19]}Z" if stable else ""
    lines = [
        f"{full_name(live)}: {status.get('phase', 'Pending')}",
        f"  {ready.get('reason', '')}: {ready.get('message', '')}",
        f"  stable     {stable.get('runID', 'none; the rules serve')}{since}",
    ]
    if candidate:
        attempt = candidate.get("attempt", 1)
        suffix = f", attempt {attempt}" if attempt > 1 else ""
        lines.append(
            f"  candidate  {candidate['runID']}, {candidate['state']} at {candidate.get('percent', 0):g} %{suffix}"
        )
    if stage := describe_stage(live, now=now):
        lines.append(f"  stage      {stage}")
    progress = status.get("propagation", {})
    confirmed = "confirmed" if progress.get("confirmed") else "not confirmed"
    lines.append(
        f"  routing    revision {progress.get('revision', 0)}, {confirmed} ({progress.get('pods', '0/0')} pods)"
    )
    if candidate.get("state") != "Refused":
        is_running = candidate.get("state") not in ENDED
        lines += [f"  gate       {describe_gate(gate, is_running=is_running)}" for gate in status.get("gates", [])]
    lines += [describe_entry(entry) for entry in status.get("history", [])[-_SHOWN:]]
    return lines


def full_name(live: Mapping[str, Any]) -> str:
    """Return namespace/name."""
    return f"{live['metadata']['namespace']}/{live['metadata']['name']}"


def ready_condition(live: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the condition Ready, empty if there is none."""
    conditions = (live.get("status") or {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == "Ready"), {})


def describe_stage(live: Mapping[str, Any], *, now: datetime) -> str:
    """Return the running stage, its soak and what comes next; "" if no stage is running.

    `10 %, soaked 3h12m of 24h, earliest advance 14:05 UTC, then 50 %`.
    """
    candidate = (live.get("status") or {}).get("candidate") or {}
    if not candidate.get("stageStartedAt") or candidate.get("state") in ENDED:
        return ""
    percent = float(candidate.get("percent", 0))
    try:
        canary = Canary.model_validate(live.get("spec", {}).get("canary") or {})
    except ValidationError:
        # The operator refuses such a spec; what it says of it is in the condition.
        return place(percent)
    steps = effective_steps(canary)
    number = f" (step {steps.index(percent) + 1} of {len(steps)})" if percent in steps else ""
    return (
        f"{place(percent)}{number}, {_soak(candidate, soak_of(canary, percent=percent), now)}, {_next(canary, percent)}"
    )


def place(percent: float) -> str:
    """Return the name of the stage at a share."""
    return "shadow" if percent == 0 else f"{percent:g} %"


def _soak(candidate: Mapping[str, Any], soak: timedelta, now: datetime) -> str:
    elapsed = timedelta(seconds=candidate.get("soaked", 0))
    since = candidate.get("soakingSince")
    if since:
        elapsed += now - datetime.fromisoformat(since)
    if elapsed >= soak:
        return f"soak of {format_duration(soak)} complete, waiting for the gates"
    text = f"soaked {_rounded(elapsed)} of {format_duration(soak)}"
    return f"{text}, earliest advance {_moment(now + soak - elapsed, now)}" if since else f"{text}, soak timer stopped"


def _rounded(length: timedelta) -> str:
    seconds = max(length.total_seconds(), 0)
    return format_duration(timedelta(seconds=seconds - seconds % (60 if seconds >= 3600 else 1)))  # noqa: PLR2004 - an hour


def _moment(at: datetime, now: datetime) -> str:
    return at.strftime("%H:%M UTC" if at.date() == now.date() else "%Y-%m-%d %H:%M UTC")


def _next(canary: Canary, percent: float) -> str:
    following = next_step(canary, percent=percent)
    if following is not None:
        return f"then {following:g} %"
    return "then promotion" if percent >= _EVERYONE else f"then it stays at {percent:g} %"


def describe_gate(gate: Mapping[str, Any], *, is_running: bool) -> str:
    """Return one gate in one clause: its counts, its bound, its verdict, and what a running stage still needs."""
    found = GateStatus.model_validate(gate)
    more = f", about {found.needed} more to a verdict" if found.needed and is_running else ""
    return f"{gates.describe(found)}: {found.verdict}{more}"


def describe_entry(entry: Mapping[str, Any]) -> str:
    """Return one entry of the history in one line: time, run, event, message."""
    run = f"{entry['runID']}  " if entry.get("runID") else ""
    return f"{entry['at'][:19]}Z  {run}{entry['event']}: {entry['message']}"
