"""The status of a rollout as text: one line for each fact. Pure."""

from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

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
from serin_core.api.actual_share import ActualShare
from serin_core.api.bake import Bake, BakeClock
from serin_core.api.check_status import CheckStatus
from serin_core.api.clock import StoppableClock
from serin_core.api.durations import format_duration
from serin_core.api.gate_status import GateRole, GateStatus
from serin_core.api.spec import Canary
from serin_core.api.waiting import are_open, describe_opening, next_opening
from serin_core.evidence.counts import Verdict
from serin_core.gates import messages
from serin_core.rollout import check_messages
from serin_core.rollout.canary_steps import needs_approval, next_step, soak_of, stage_name, step_number

_SHOWN: Final = 5
"""Entries of the history that are shown."""
_EVERYONE: Final = 100.0
_HOLDS: Final = {
    "AwaitingApproval": "an approval",
    "OutsideWindow": "its window",
    "Frozen": "the end of a freeze",
}
"""What a step waits for after its soak, by the reason of its hold."""
_OWN_CONDITIONS: Final = ("PodsUnreachable", "ChildOverridden", "UnknownClasses", "StatusReduced")
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
    lines += [f"  note       {one}" for one in _beside_ready(live)]
    lines += [f"  notify     {one}" for one in describe_notifications(live)]
    lines += [describe_entry(entry) for entry in status.get("history", [])[-_SHOWN:]]
    return lines


def _beside_ready(live: Live) -> list[str]:
    """Return the problems that have conditions of their own, without what Ready says already."""
    conditions, reason = live["status"].get("conditions", []), ready_condition(live).get("reason")
    found = [one for one in conditions if one["type"] in _OWN_CONDITIONS and one["status"] == "True"]
    return [f"{one['type']}: {one['message']}" for one in found if one["type"] != reason]


def describe_stage(live: Live, *, now: datetime) -> str:
    """Return the running stage, its soak and what comes next; "" if no stage is running.

    `10 %, soaked 3h12m of 24h, earliest advance 14:05 UTC, then 50 %`.
    """
    candidate = candidate_of(live)
    if not candidate.get("stageStartedAt") or not is_running(live):
        return ""
    percent = float(candidate.get("percent", 0))
    try:
        canary = Canary.model_validate(live.get("spec", {}).get("canary") or {})
        bake = Bake.model_validate(live.get("spec", {}).get("bake") or {})
    except ValidationError:
        # The operator refuses such a spec; what it says of it is in the condition.
        return stage_name(percent)
    if candidate.get("bake"):
        return _bake(candidate, bake, now)
    number = step_number(canary, percent=percent)
    soak = _soak(live, canary, now)
    return f"{stage_name(percent)}{number}, {soak}, {_next(canary, percent, bake.duration)}"


def _soak(live: Live, canary: Canary, now: datetime) -> str:
    candidate = candidate_of(live)
    soak = soak_of(canary, percent=float(candidate.get("percent", 0)))
    clock = StoppableClock.model_validate(
        {"elapsed": candidate.get("soaked", 0), "runningSince": candidate.get("soakingSince")}
    )
    elapsed, end = clock.at(now), clock.ends_at(soak)
    if elapsed >= soak:
        hold = _hold(candidate) if _is_over(live) else ""
        waits = _open_checks(live) or hold or "the gates"
        return f"soak of {format_duration(soak)} complete, waiting for {waits}{_window(canary, now, now)}"
    text = f"soaked {_rounded(elapsed)} of {format_duration(soak)}"
    if end is None:
        return f"{text}, soak timer stopped"
    return f"{text} ({_rounded(soak - elapsed)} left), earliest advance {_moment(end, now)}{_window(canary, end, now)}"


def _open_checks(live: Live) -> str:
    """Return the checks that the next step waits for, "" for none."""
    found = (CheckStatus.model_validate(check) for check in live["status"].get("checks", []))
    waits = [check.name for check in found if check.is_open]
    return f"check {', '.join(waits)}" if waits else ""


def _is_over(live: Live) -> bool:
    """Return whether the stage is over but for a hold: by its gates, or by time, as Ready then says.

    Status keeps a hold while gates are undecided in between, so that its beginning stays known.
    """
    gates = [GateStatus.model_validate(gate) for gate in live["status"].get("gates", [])]
    is_decided = all(gate.verdict is Verdict.PASS for gate in gates if gate.role is GateRole.ACTING)
    return is_decided or ready_condition(live).get("reason") in _HOLDS


def _hold(candidate: Live) -> str:
    """Return what the next step waits for although its stage is over, "" if nothing holds it."""
    hold = candidate.get("hold")
    return _HOLDS.get(hold["reason"], "") if hold else ""


def _window(canary: Canary, at: datetime, now: datetime) -> str:
    """Return the next opening as the end of a clause, "" if a window is open `at` that time."""
    opening = None if are_open(canary.windows, at) else next_opening(canary.windows, at)
    return "" if opening is None else f", next window {describe_opening(opening, now=now)}"


def _rounded(length: timedelta) -> str:
    seconds = max(length.total_seconds(), 0)
    return format_duration(timedelta(seconds=seconds - seconds % (60 if seconds >= 3600 else 1)))  # noqa: PLR2004 - an hour


def _moment(at: datetime, now: datetime) -> str:
    return at.strftime("%H:%M UTC" if at.date() == now.date() else "%Y-%m-%d %H:%M UTC")


def _bake(candidate: Live, bake: Bake, now: datetime) -> str:
    """Return how long the run has baked: `bake, 3h12m of 168h, ends 2026-01-08 10:00 UTC, holdback 5 %`."""
    clock = BakeClock.model_validate(candidate["bake"])
    elapsed, ends = clock.at(now), clock.ends_at(bake.duration)
    if elapsed >= bake.duration:
        end = f"complete, waiting for {_hold(candidate) or 'counts and for all pods'}"
    elif ends is None:
        end = "timer stopped"
    else:
        end = f"ends {_moment(ends, now)}"
    holdback = float(candidate.get("holdback", 0))
    kept = f", holdback {holdback:g} %" if holdback else ""
    return f"bake, {_rounded(elapsed)} of {format_duration(bake.duration)}, {end}{kept}, then promotion"


def _next(canary: Canary, percent: float, bake: timedelta) -> str:
    following = next_step(canary, percent=percent)
    if following is not None:
        return f"then {following:g} %{' if approved' if needs_approval(canary, percent=following) else ''}"
    if percent >= _EVERYONE and bake:
        return f"then a bake of {format_duration(bake)}"
    return "then promotion" if percent >= _EVERYONE else f"then it stays at {percent:g} %"


def describe_checks(live: Live) -> list[str]:
    """Return one clause for each check before the next step that is being made, or was passed."""
    found = (CheckStatus.model_validate(check) for check in live["status"].get("checks", []))
    return [check_messages.describe(check).removeprefix("check ") for check in found]


def describe_gate(gate: Live, *, is_running: bool) -> str:
    """Return one gate in one clause: its counts, its bound, its verdict, and what a running stage still needs."""
    found = GateStatus.model_validate(gate)
    more = f", about {found.needed} more to a verdict" if found.needed and is_running else ""
    return f"{messages.describe(found)}: {found.verdict}{more}"
