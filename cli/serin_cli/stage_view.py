"""The stages of a rollout as a path: past ones with their times, the running one, those to come. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from serin_cli.ages import describe_age
from serin_cli.resource import Live, candidate_of, is_running, status_of
from serin_cli.stage_text import describe_bake, describe_soak, moment
from serin_cli.view_text import Line, hanging, line
from serin_core.api.bake import Bake
from serin_core.api.durations import format_duration
from serin_core.api.spec import Canary
from serin_core.rollout.canary_steps import needs_approval, soak_of, stage_name, stages_of

_NAMES: Final = 9
"""Columns of the names of stages."""
_EVERYONE: Final = 100.0


def stage_lines(live: Live, canary: Canary, bake: Bake, *, now: datetime, width: int) -> list[Line]:
    """Return the lines of the path; none for a run that serves without a trial, or after a rollback."""
    candidate = candidate_of(live)
    if not is_running(live) or candidate.get("skipsTrial"):
        return []
    lines = []
    percent, is_baking = float(candidate.get("percent", 0)), bool(candidate.get("bake"))
    times = dict(_times(live, candidate))
    for stage in stages_of(canary):
        name = f"{stage_name(stage):<{_NAMES}}"
        if stage < percent or is_baking:
            lines += hanging(line(" ", ("✔", "good"), f" {name}"), _past(times, stage, now), width, "dim")
        elif stage == percent:
            text = describe_soak(live, canary, now) if candidate.get("stageStartedAt") else "waiting for all pods"
            lines += hanging(line(" ", ("●", "wait"), (f" {name}", "bold")), text, width)
        else:
            approval = ", begins when a user approves it" if needs_approval(canary, percent=stage) else ""
            text = f"soak of {format_duration(soak_of(canary, percent=stage))}{approval}"
            lines += hanging(line(" ", ("○", "dim"), f" {name}"), text, width, "dim")
    if is_baking:
        text = describe_bake(candidate, bake, now)
        lines += hanging(line(" ", ("●", "wait"), (f" {'bake':<{_NAMES}}", "bold")), text, width)
    elif bake.duration and canary.percent >= _EVERYONE:
        lines += hanging(line(" ", ("○", "dim"), f" {'bake':<{_NAMES}}"), format_duration(bake.duration), width, "dim")
    return lines


def _times(live: Live, candidate: Live) -> Iterator[tuple[float, datetime]]:
    """Yield each stage of the present attempt that has begun, with the time; the last time of a stage last."""
    began, run = candidate.get("attemptStartedAt", ""), candidate.get("runID")
    for entry in status_of(live).get("history", []):
        if entry["event"] == "StageStarted" and entry["at"] >= began and entry.get("runID") == run:
            yield float(entry.get("percent", 0)), datetime.fromisoformat(entry["at"])


def _past(times: Mapping[float, datetime], stage: float, now: datetime) -> str:
    began = times.get(stage)
    if began is None:
        return "done"
    after = min((time for other, time in times.items() if other > stage), default=None)
    return f"began {moment(began, now)}" + ("" if after is None else f", took {describe_age(began, after)}")
