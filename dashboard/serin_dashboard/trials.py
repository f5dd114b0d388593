"""Trial records for the pages: the path through the stages, curves, and the last trials side by side. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from serin_cli.history_text import describe_author
from serin_core.api.durations import format_duration
from serin_core.api.record import CurvePoint, Outcome, TransitionRecord, TrialRecord
from serin_core.api.spec import Canary
from serin_core.evidence.counts import Verdict
from serin_core.gates.formatting import count, percent
from serin_core.rollout import recording
from serin_core.rollout.canary_steps import needs_approval, soak_of, stage_name, stages_of
from serin_core.rollout.recording import RecordError
from serin_dashboard.charts import VerdictPoint, interval_of

_SIDE_BY_SIDE: Final = 4
"""Trials in one table: the last one and three before it."""
_ALL: Final = 100.0


@dataclass(frozen=True, slots=True)
class Stop:
    """One stage of the path."""

    name: str
    state: str
    """done, current, ended (the rollout ended here) or next."""
    began: datetime | None = None
    took: str = ""
    note: str = ""
    """Soak, approval, and who took the step by hand."""


@dataclass(frozen=True, slots=True)
class TrialColumn:
    """One trial in the table of the last ones."""

    number: int
    run: str
    started: datetime
    outcome: str
    took: str
    why: str
    stages: dict[str, str]
    """Time in each stage, by its name."""
    gates: dict[str, str]
    """Last estimate, interval and number of counts, by gate."""


def read_records(texts: Iterable[str]) -> tuple[list[TrialRecord], list[str]]:
    """Return the records, oldest first, and why others cannot be read."""
    found, problems = [], []
    for text in texts:
        try:
            found.append(recording.read(text))
        except RecordError as error:
            problems.append(str(error))
    return sorted(found, key=lambda record: record.trial), problems


def path_of(  # noqa: PLR0913 - the parts of a rollout, given by name
    canary: Canary,
    record: TrialRecord | None,
    *,
    percent_now: float | None,
    bake: timedelta,
    is_baking: bool,
    now: datetime,
) -> list[Stop]:
    """Return the stages from shadow to promotion. `percent_now` is that of the running stage, None if none runs."""
    steps = list(stages_of(canary))
    if percent_now is not None and percent_now not in steps:
        steps = sorted({*steps, percent_now})
    entered = {} if record is None else _entries(record)
    is_promoted = record is not None and record.outcome is Outcome.PROMOTED
    last = max((place for place, step in enumerate(steps) if step in entered), default=-1)
    stops = []
    for place, step in enumerate(steps):
        is_current = percent_now == step and not is_baking
        began = entered[step].at if step in entered else None
        ended = _left(record, entered, steps, place)
        if is_current:
            state = "current"
        elif percent_now is not None:
            state = "done" if step < percent_now or is_baking else "next"
        else:
            state = "done" if is_promoted or place < last else "ended" if place == last else "next"
        took = _length(began, ended or (now if is_current else None))
        stops.append(Stop(stage_name(step), state, began, took, _note(canary, step, entered.get(step))))
    return [*stops, *_ends(record, bake, is_baking=is_baking, is_promoted=is_promoted, now=now)]


def _ends(
    record: TrialRecord | None, bake: timedelta, *, is_baking: bool, is_promoted: bool, now: datetime
) -> list[Stop]:
    """Return the bake, if there is one, and the promotion."""
    transitions = {} if record is None else {one.event: one for one in reversed(record.transitions)}
    baked, promoted = transitions.get("BakeStarted"), transitions.get("Promoted")
    promoted_at = None if promoted is None else promoted.at
    stops = []
    if bake or baked is not None:
        state = "current" if is_baking else "done" if is_promoted and baked else "next"
        began, end = None if baked is None else baked.at, promoted_at or (now if is_baking else None)
        stops.append(Stop("bake", state, began, _length(began, end), f"{format_duration(bake)} planned"))
    by = f"by {describe_author(promoted.by)}" if promoted is not None and promoted.by != "operator" else ""
    return [*stops, Stop("promoted", "done" if is_promoted else "next", promoted_at, note=by)]


def _entries(record: TrialRecord) -> dict[float, TransitionRecord]:
    """Return the transition by which each stage was entered, by percent of users."""
    found: dict[float, TransitionRecord] = {}
    for one in record.transitions:
        if one.run_id not in ("", record.run_id) or one.event in ("Promoted", "BakeStarted"):
            continue
        if (one.percent > 0 and one.percent != one.percent_before) or one.event == "StageStarted":
            found.setdefault(one.percent, one)
    return found


def _left(
    record: TrialRecord | None, entered: dict[float, TransitionRecord], steps: Sequence[float], place: int
) -> datetime | None:
    """Return when a stage ended: when the next one was entered, the bake began, or the rollout ended."""
    if record is None or steps[place] not in entered:
        return None
    later = [entered[step].at for step in steps[place + 1 :] if step in entered]
    ends = [one.at for one in record.transitions if one.event in ("BakeStarted", "Promoted")]
    return min([*later, *ends, *([record.ended_at] if record.ended_at else [])], default=None)


def _length(began: datetime | None, ended: datetime | None) -> str:
    if began is None or ended is None:
        return ""
    return format_duration(timedelta(seconds=round(max((ended - began).total_seconds(), 0))))


def _note(canary: Canary, step: float, entered: TransitionRecord | None) -> str:
    if entered is not None and entered.by != "operator":
        return f"by {describe_author(entered.by)}"
    soak = f"soak {format_duration(soak_of(canary, percent=step))}"
    return f"{soak}, needs approval" if step > 0 and needs_approval(canary, percent=step) else soak


def verdicts_of(record: TrialRecord, gate: str) -> list[VerdictPoint]:
    """Return the verdicts of a gate at the end of each stage."""
    return [
        VerdictPoint((one.at - record.started_at).total_seconds(), status.verdict, min(status.estimate, 1.0))
        for one in record.transitions
        if one.stage is not None
        for status in one.gates
        if status.name == gate and status.verdict is not Verdict.INCONCLUSIVE and status.estimate is not None
    ]


def side_by_side(records: Sequence[TrialRecord], *, now: datetime) -> list[TrialColumn]:
    """Return the last trials, newest first."""
    return [_column(one, now) for one in reversed(records[-_SIDE_BY_SIDE:])]


def _column(record: TrialRecord, now: datetime) -> TrialColumn:
    entered = _entries(record)
    steps = sorted(entered)
    return TrialColumn(
        number=record.trial,
        run=record.run_id,
        started=record.started_at,
        outcome=record.outcome,
        took=_length(record.started_at, record.ended_at or now),
        why=record.reason,
        stages={
            stage_name(step): _length(entered[step].at, _left(record, entered, steps, place) or now)
            for place, step in enumerate(steps)
        },
        gates={name: _last(points) for name, points in record.curves.items() if points},
    )


def _last(points: Sequence[CurvePoint]) -> str:
    last = points[-1]
    if not last[3]:
        return ""
    interval = f" ({interval_of(last)})" if interval_of(last) else ""
    return f"{percent(last[2] / last[3])}{interval} of {count(last[3])}, {stage_name(last[1])}"
