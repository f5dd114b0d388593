"""The running stage as text: its soak or bake, what it waits for, and what comes next. Pure."""

from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError

from serin_cli.resource import (
    Live,
    candidate_of,
    is_running,
    ready_condition,
)
from serin_core.api.bake import Bake, BakeClock
from serin_core.api.check_status import CheckStatus
from serin_core.api.clock import StoppableClock
from serin_core.api.durations import format_duration
from serin_core.api.gate_status import GateRole, GateStatus
from serin_core.api.spec import Canary
from serin_core.api.waiting import are_open, describe_opening, next_opening
from serin_core.evidence.counts import Verdict
from serin_core.rollout.canary_steps import needs_approval, next_step, soak_of, stage_name, step_number

_EVERYONE: Final = 100.0
_HOLDS: Final = {
    "AwaitingApproval": "an approval",
    "OutsideWindow": "its window",
    "Frozen": "the end of a freeze",
}
"""What a step waits for after its soak, by the reason of its hold."""


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
        return describe_bake(candidate, bake, now)
    number = step_number(canary, percent=percent)
    soak = describe_soak(live, canary, now)
    return f"{stage_name(percent)}{number}, {soak}, {_next(canary, percent, bake.duration)}"


def soak_clock(candidate: Live) -> StoppableClock:
    """Return the soak of the current stage."""
    times = {"elapsed": candidate.get("soaked", 0), "runningSince": candidate.get("soakingSince")}
    return StoppableClock.model_validate(times)


def describe_soak(live: Live, canary: Canary, now: datetime) -> str:
    """Return how far the soak is, or what the stage waits for: `soaked 3h12m of 24h (20h48m left), earliest ...`."""
    candidate = candidate_of(live)
    soak = soak_of(canary, percent=float(candidate.get("percent", 0)))
    clock = soak_clock(candidate)
    elapsed, end = clock.at(now), clock.ends_at(soak)
    if elapsed >= soak:
        hold = _hold(candidate) if _is_over(live) else ""
        waits = _open_checks(live) or hold or "the gates"
        return f"soak of {format_duration(soak)} complete, waiting for {waits}{_window(canary, now, now)}"
    text = f"soaked {rounded(elapsed)} of {format_duration(soak)}"
    if end is None:
        return f"{text}, soak timer stopped"
    return f"{text} ({rounded(soak - elapsed)} left), earliest advance {moment(end, now)}{_window(canary, end, now)}"


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


def rounded(length: timedelta) -> str:
    """Return a length of time, without seconds if it is an hour or more: `3h12m`, `59m5s`."""
    seconds = max(length.total_seconds(), 0)
    return format_duration(timedelta(seconds=seconds - seconds % (60 if seconds >= 3600 else 1)))  # noqa: PLR2004 - an hour


def moment(at: datetime, now: datetime) -> str:
    """Return a time, with its date if it is not today: `14:05 UTC`."""
    return at.strftime("%H:%M UTC" if at.date() == now.date() else "%Y-%m-%d %H:%M UTC")


def describe_bake(candidate: Live, bake: Bake, now: datetime) -> str:
    """Return how long the run has baked: `bake, 3h12m of 168h, ends 2026-01-08 10:00 UTC, holdback 5 %`."""
    clock = BakeClock.model_validate(candidate["bake"])
    elapsed, ends = clock.at(now), clock.ends_at(bake.duration)
    if elapsed >= bake.duration:
        end = f"complete, waiting for {_hold(candidate) or 'counts and for all pods'}"
    elif ends is None:
        end = "timer stopped"
    else:
        end = f"ends {moment(ends, now)}"
    holdback = float(candidate.get("holdback", 0))
    kept = f", holdback {holdback:g} %" if holdback else ""
    return f"bake, {rounded(elapsed)} of {format_duration(bake.duration)}, {end}{kept}, then promotion"


def _next(canary: Canary, percent: float, bake: timedelta) -> str:
    following = next_step(canary, percent=percent)
    approved = " if approved" if following is not None and needs_approval(canary, percent=following) else ""
    return f"then {describe_following(canary, percent, bake)}{approved}"


def describe_following(canary: Canary, percent: float, bake: timedelta) -> str:
    """Return what follows a stage: `50 %`, `a bake of 72h`, `promotion`."""
    following = next_step(canary, percent=percent)
    if following is not None:
        return f"{following:g} %"
    if percent >= _EVERYONE and bake:
        return f"a bake of {format_duration(bake)}"
    return "promotion" if percent >= _EVERYONE else f"it stays at {percent:g} %"
