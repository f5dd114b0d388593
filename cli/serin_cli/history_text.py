"""Trial records as text: a table, or the transitions and the evidence of one run. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Final

from serin_core.api.base import shortened
from serin_core.api.durations import format_duration
from serin_core.api.record import TransitionRecord, TrialRecord
from serin_core.gates import messages
from serin_core.rollout import recording
from serin_core.rollout.canary_steps import stage_name
from serin_core.rollout.recording import RecordError
from serin_core.rollout.requests import Request

_HEAD: Final = ("TRIAL", "RUN", "STARTED", "ENDED", "OUTCOME", "BY", "WHY")
_MAX_BY: Final = 30
_MAX_WHY: Final = 100


def describe_records(name: str, texts: Iterable[str], *, run: str | None) -> list[str]:
    """Return the lines of `kubectl serin history`."""
    found, unreadable = [], []
    for text in texts:
        try:
            found.append(recording.read(text))
        except RecordError as error:
            unreadable.append(f"a record cannot be read: {error}")
    found.sort(key=lambda record: record.trial)
    if run is None:
        lines = _table([_HEAD, *map(_row, found)]) if found else [f"{name}: no trial has been recorded yet"]
        return [*lines, *unreadable]
    mine = [record for record in found if record.run_id == run]
    if not mine:
        runs = ", ".join(dict.fromkeys(record.run_id for record in found))
        return [f"{name}: no record of {run} is kept; recorded are: {runs or 'none'}", *unreadable]
    return [line for record in mine for line in (*_details(record), "")][:-1] + unreadable


def _row(record: TrialRecord) -> tuple[str, ...]:
    attempt = f" (attempt {record.attempt})" if record.attempt > 1 else ""
    ended = "" if record.ended_at is None else _time(record.ended_at)
    why = shortened(record.reason, _MAX_WHY)
    by = shortened(describe_author(record.by), _MAX_BY)
    return str(record.trial), f"{record.run_id}{attempt}", _time(record.started_at), ended, record.outcome, by, why


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _details(record: TrialRecord) -> list[str]:
    attempt = f", attempt {record.attempt}" if record.attempt > 1 else ""
    lines = [f"trial {record.trial}: {record.run_id}{attempt}: {record.outcome}"]
    if record.reason:
        lines.append(f"  why        {record.reason}")
    if record.by:
        lines.append(f"  by         {record.by}")
    lines.append(f"  digest     {record.digest or 'not known'}")
    ended = "still running" if record.ended_at is None else f"{_time(record.ended_at)}, after {_length(record)}"
    lines.append(f"  started    {_time(record.started_at)}; ended {ended}")
    for rollback in record.rollbacks:
        after = "not confirmed by every pod" if rollback.seconds is None else f"{rollback.seconds:.1f} s"
        lines.append(f"  rollback   {_time(rollback.at)} {rollback.event}; confirmed by every pod after: {after}")
    if record.dropped_transitions:
        lines.append(f"  {record.dropped_transitions} transitions were left out, since the record was too long")
    return [*lines, *(line for one in record.transitions for line in _transition(one))]


def _transition(one: TransitionRecord) -> list[str]:
    place = f", stage {one.stage} ({stage_name(one.percent_before)})" if one.stage is not None else ""
    by = "" if one.by == "operator" else f" [{describe_author(one.by)}]"
    evidence = (f"      {messages.describe(gate)}: {gate.verdict}" for gate in one.gates)
    return [f"  {_time(one.at)}  {one.event}{place}: {one.message}{by}", *evidence]


def describe_author(by: str) -> str:
    """Return who did something, and by which action: `jane (retry)`; a field manager as it is."""
    action, _, value = by.partition(" ")
    return f"{Request(action, value).by or 'a user'} ({action})" if value else by


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _length(record: TrialRecord) -> str:
    seconds = 0.0 if record.ended_at is None else (record.ended_at - record.started_at).total_seconds()
    return format_duration(timedelta(seconds=round(seconds)))
