"""What a rollout waits for before its next step, and what a user can do. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from serin_cli.resource import Live, candidate_of, is_running, status_of
from serin_cli.stage_text import describe_following, rounded, soak_clock
from serin_cli.view_text import joined
from serin_core.api.check_status import CheckStatus
from serin_core.api.gate_status import GateRole, GateStatus
from serin_core.api.spec import Canary
from serin_core.api.waiting import are_open, describe_opening, next_opening
from serin_core.evidence.counts import Verdict
from serin_core.gates.formatting import count
from serin_core.rollout.canary_steps import needs_approval, next_step, soak_of


def describe_next(live: Live, canary: Canary, bake: timedelta, *, now: datetime) -> str:
    """Return what comes next and what it waits for; "" if no stage is running, or in a bake."""
    candidate = candidate_of(live)
    if not is_running(live) or not candidate.get("stageStartedAt") or candidate.get("bake"):
        return ""
    following = describe_following(canary, float(candidate.get("percent", 0)), bake)
    waits = list(_waits(live, canary, now))
    return f"{following}, when {joined(waits)}" if waits else f"{following}, at the next check"


def _waits(live: Live, canary: Canary, now: datetime) -> Iterator[str]:
    candidate = candidate_of(live)
    percent = float(candidate.get("percent", 0))
    clock, soak = soak_clock(candidate), soak_of(canary, percent=percent)
    if candidate.get("pause"):
        yield f"it is resumed (kubectl serin resume {live['metadata']['name']})"
    if (live.get("spec") or {}).get("suspend"):
        yield "spec.suspend is false"
    if clock.at(now) < soak:
        yield f"the soak ends (in {rounded(soak - clock.at(now))})"
    for gate in map(GateStatus.model_validate, status_of(live).get("gates", [])):
        if gate.role is GateRole.ACTING and gate.verdict is Verdict.INCONCLUSIVE:
            yield f"{gate.name} passes" + (f" (~{count(gate.needed)} more)" if gate.needed else "")
    for check in map(CheckStatus.model_validate, status_of(live).get("checks", [])):
        if check.is_open:
            yield f"check {check.name} passes"
    following = next_step(canary, percent=percent)
    if following is not None and needs_approval(canary, percent=following):
        yield f"a user approves it (kubectl serin promote {live['metadata']['name']})"
    at = clock.ends_at(soak) or now
    opening = None if are_open(canary.windows, max(at, now)) else next_opening(canary.windows, max(at, now))
    if opening is not None:
        yield f"its window opens ({describe_opening(opening, now=now)})"
