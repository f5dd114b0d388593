"""The status of a rollout as text: one line for each fact. Pure."""

from datetime import datetime
from typing import Final

from serin_cli.notification_text import describe_notifications
from serin_cli.resource import (
    Live,
    candidate_of,
    describe_entry,
    describe_ready,
    full_name,
    is_running,
    ready_condition,
    restorable,
    run_of,
)
from serin_cli.stage_text import describe_stage
from serin_core.api.actual_share import ActualShare
from serin_core.api.check_status import CheckStatus
from serin_core.api.gate_status import GateStatus
from serin_core.gates import messages
from serin_core.rollout import check_messages

_SHOWN: Final = 5
"""Entries of the history that are shown."""
_OWN_CONDITIONS: Final = (
    "PodsUnreachable",
    "PodsBehind",
    "ChildOverridden",
    "UnknownClasses",
    "StatusReduced",
    "Drifted",
)
"""Problems that do not stop a rollout, each a condition."""


def describe_status(live: Live, *, now: datetime) -> list[str]:
    """Return the lines of `kubectl serin status`."""
    status = live.get("status")
    if not status:
        return [f"{full_name(live)}: no status yet; is the operator running?"]
    stable, candidate = status.get("stable") or {}, candidate_of(live)
    since = f", since {stable['since'][:19]}Z" if stable else ""
    lines = [
        f"{full_name(live)}: {status.get('phase', 'Pending')}",
        f"  {describe_ready(live)}",
        f"  stable     {stable.get('runID', 'none; the rules serve')}{since}",
    ]
    if candidate:
        place = f"{candidate['runID']}, {candidate['state']} at {candidate.get('percent', 0):g} %"
        if shortcut := candidate.get("skipsTrial"):
            place = f"{candidate['runID']}, {candidate['state']}, {shortcut.lower()}: serves without a trial"
        attempt = candidate.get("attempt", 1)
        lines.append(f"  candidate  {place}{f', attempt {attempt}' if attempt > 1 else ''}")
    if earlier := restorable(live):
        loaded = run_of(live, "previous")
        runs = (f"{run} (loaded)" if run == loaded else run for run in earlier)
        lines.append(f"  restorable {', '.join(runs)}")
    if stage := describe_stage(live, now=now):
        lines.append(f"  stage      {stage}")
    if (share := status.get("actualShare")) and is_running(live):
        lines.append(f"  served     {ActualShare.model_validate(share).describe()}")
    progress = status.get("propagation", {})
    confirmed = "confirmed" if progress.get("confirmed") else "not confirmed"
    lines.append(
        f"  routing    revision {progress.get('revision', 0)}, {confirmed} ({progress.get('pods', '0/0')} pods)"
    )
    if candidate.get("state") != "Refused":
        shown = [describe_gate(gate, is_running=is_running(live)) for gate in status.get("gates", [])]
        lines += [f"  gate       {gate}" for gate in shown]
    if is_running(live):
        lines += [f"  check      {one}" for one in describe_checks(live)]
    lines += [f"  note       {one}" for one in beside_ready(live)]
    lines += [f"  notify     {one}" for one in describe_notifications(live)]
    lines += [describe_entry(entry) for entry in status.get("history", [])[-_SHOWN:]]
    return lines


def beside_ready(live: Live) -> list[str]:
    """Return the problems that have conditions of their own, without what Ready says already."""
    conditions, reason = live["status"].get("conditions", []), ready_condition(live).get("reason")
    found = [one for one in conditions if one["type"] in _OWN_CONDITIONS and one["status"] == "True"]
    return [f"{one['type']}: {one['message']}" for one in found if one["type"] != reason]


def describe_checks(live: Live) -> list[str]:
    """Return one clause for each check before the next step that is being made, or was passed."""
    found = (CheckStatus.model_validate(check) for check in live["status"].get("checks", []))
    return [check_messages.describe(check).removeprefix("check ") for check in found]


def describe_gate(gate: Live, *, is_running: bool) -> str:
    """Return one gate in one clause: its counts, its bound, its verdict, and what a running stage still needs."""
    found = GateStatus.model_validate(gate)
    more = f", about {found.needed} more to a verdict" if found.needed and is_running else ""
    return f"{messages.describe(found)}: {found.verdict}{more}"
