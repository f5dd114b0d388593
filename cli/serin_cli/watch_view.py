"""The live view of `kubectl serin watch`: one rollout on one screen. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from serin_cli.event_text import last_seen
from serin_cli.gate_view import gate_lines
from serin_cli.next_view import describe_next
from serin_cli.pod_view import pod_lines
from serin_cli.resource import (
    Live,
    candidate_of,
    describe_ready,
    full_name,
    is_running,
    ready_condition,
    run_of,
    status_of,
)
from serin_cli.stage_view import stage_lines
from serin_cli.status_text import describe_checks
from serin_cli.view_text import EMPTY, Line, Style, cut, hanging, line, plain, wrapped
from serin_core.api.bake import Bake
from serin_core.api.gate_status import GateStatus
from serin_core.api.spec import Canary

_EVENTS: Final = 5
"""Events that are shown."""
_NARROWEST: Final = 40
_READY_LINES: Final = 4
_GOOD: Final = ("Promoted", "AtCap")
_BAD: Final = ("RolledBack", "RunRefused", "Stopped")
_WARNING: Final = "Warning"


@dataclass(frozen=True, slots=True)
class Beside:
    """What is shown beside the resource, as the API server returns it; None for what may not be read."""

    pods: Sequence[Mapping[str, Any]] | None = ()
    events: Sequence[Mapping[str, Any]] | None = ()


def render(live: Live, beside: Beside, *, now: datetime, width: int) -> list[Line]:
    """Return the lines of the view, none longer than `width`, which is at least 40."""
    width = max(width, _NARROWEST)
    blocks = [_head(live, now, width), _runs(live, width)]
    if status_of(live):
        blocks += [_path(live, now, width), _gates(live, width)]
    blocks += [pod_lines(live, beside.pods, now=now, width=width), _events(beside.events, width)]
    lines: list[Line] = []
    for block in filter(None, blocks):
        lines += [*([EMPTY] if lines else []), *block]
    return lines


def _head(live: Live, now: datetime, width: int) -> list[Line]:
    clock = f"{now:%H:%M:%S} UTC"
    phase = status_of(live).get("phase") or "Pending"
    reason = ready_condition(live).get("reason", "")
    style: Style = "good" if reason in _GOOD else "bad" if reason in _BAD else "wait"
    left = cut(line((full_name(live), "bold"), "  ", (phase, style)), width - len(clock) - 1)
    gap = " " * (width - len(plain(left)) - len(clock))
    ready = "no status yet; is the operator running?"
    if status_of(live):
        ready = describe_ready(live).partition(". Evidence: ")[0]
    return [(*left, *line(gap, (clock, "dim"))), *wrapped(ready, width, indent=0, lines=_READY_LINES)]


def _runs(live: Live, width: int) -> list[Line]:
    candidate, stable = candidate_of(live), run_of(live, "stable") or "none; the rules serve"
    lines = []
    if candidate:
        percent = f" at {candidate.get('percent', 0):g} %" if is_running(live) else ""
        attempt = f", attempt {candidate['attempt']}" if candidate.get("attempt", 1) > 1 else ""
        text = f"{candidate['runID']}, {candidate['state']}{percent}{attempt}"
        lines += hanging(line(("Candidate  ", "bold")), text, width)
    return lines + hanging(line(("Stable     ", "bold")), stable, width)


def _path(live: Live, now: datetime, width: int) -> list[Line]:
    """Return the stages, and what comes next; nothing of a spec that cannot be read, which Ready reports."""
    spec = live.get("spec") or {}
    try:
        canary = Canary.model_validate(spec.get("canary") or {})
        bake = Bake.model_validate(spec.get("bake") or {})
    except ValidationError:
        return []
    stages = stage_lines(live, canary, bake, now=now, width=width)
    following = describe_next(live, canary, bake.duration, now=now)
    if following:
        stages += hanging(line(("Next       ", "bold")), following, width)
    return stages


def _gates(live: Live, width: int) -> list[Line]:
    gates = [GateStatus.model_validate(gate) for gate in status_of(live).get("gates", [])]
    if not gates or candidate_of(live).get("state") == "Refused":
        return []
    when = "" if is_running(live) else ", at the last check"
    title = line(("Gates", "bold"), (f"{when}   ├─●─┤ estimate in its 95 % interval, │ bound", "dim"))
    checks = describe_checks(live) if is_running(live) else []
    shown = [one for check in checks for one in hanging(line("   check "), check, width)]
    return [cut(title, width), *gate_lines(gates, width), *shown]


def _events(events: Sequence[Mapping[str, Any]] | None, width: int) -> list[Line]:
    if events is None:
        return [cut(line(("Events", "bold"), " cannot be read"), width)]
    lines = []
    for event in sorted(events, key=last_seen)[-_EVENTS:]:
        style: Style = "bad" if event.get("type") == _WARNING else ""
        text = " ".join(str(event.get("message", "")).split())
        head = line((f" {last_seen(event)[11:19]} ", "dim"), (str(event.get("reason", "")), style))
        lines.append(cut((*head, *line(("  " + text, "dim"))), width))
    return [line(("Events", "bold")), *lines] if lines else []
