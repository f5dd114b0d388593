"""What the page of one SuggestionModel shows. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from serin_cli.history_text import describe_author
from serin_cli.notification_text import describe_notifications
from serin_cli.resource import Live, candidate_of, is_running, ready_condition, restorable, run_of, status_of
from serin_cli.status_text import beside_ready, describe_checks
from serin_core.api.actual_share import ActualShare
from serin_core.api.bake import Bake
from serin_core.api.gate_status import GateStatus
from serin_core.api.record import CurvePoint, TransitionRecord, TrialRecord
from serin_core.api.spec import Canary
from serin_core.evidence.counts import Verdict
from serin_core.gates import messages
from serin_core.rollout.canary_steps import stage_name
from serin_dashboard.charts import Bar, Chart, VerdictPoint, gate_bar, gate_chart, limits_of, share_chart
from serin_dashboard.classes import ClassesView, classes_of
from serin_dashboard.overview import Row, gates_of, row_of
from serin_dashboard.pods import PodView, describe_pods
from serin_dashboard.points import SeenPoint, as_recorded
from serin_dashboard.store import Entry
from serin_dashboard.trials import (
    Stop,
    TrialColumn,
    path_of,
    read_records,
    side_by_side,
    verdicts_of,
)

_HISTORY: Final = 40
"""Transitions that are shown."""


@dataclass(frozen=True, slots=True)
class GateView:
    """One gate: what it requires, what was counted, and how that came about."""

    name: str
    limit: str
    verdict: str
    sentence: str
    bar: Bar | None
    chart: Chart | None


@dataclass(frozen=True, slots=True)
class HistoryView:
    """One transition, with its evidence."""

    at: datetime
    event: str
    run: str
    message: str
    by: str
    """Who caused it, "" for the operator."""
    stage: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Detail:
    """The page of one SuggestionModel."""

    row: Row
    runs: tuple[tuple[str, str], ...]
    """Role and name of each run."""
    path: tuple[Stop, ...]
    path_title: str
    gates: tuple[GateView, ...]
    gates_title: str
    classes: ClassesView | None
    """None where gates cannot be read."""
    checks: tuple[str, ...]
    share: str
    share_chart: Chart | None
    routing: str
    pods: tuple[PodView, ...]
    history: tuple[HistoryView, ...]
    trials: tuple[TrialColumn, ...]
    notes: tuple[str, ...]

    @property
    def compared_stages(self) -> list[str]:
        """Names of the stages of the trials side by side."""
        return list(dict.fromkeys(name for trial in self.trials for name in trial.stages))

    @property
    def compared_gates(self) -> list[str]:
        """Names of the gates of the trials side by side."""
        return list(dict.fromkeys(name for trial in self.trials for name in trial.gates))


@dataclass(frozen=True, slots=True)
class Read:
    """What was read from the cluster for this page alone."""

    records: Sequence[str] = ()
    pods: Sequence[Mapping[str, Any]] = ()
    revisions: Mapping[str, int | str] | None = None
    """By pod, the revision that it reports, or why it could not be asked."""
    problems: tuple[str, ...] = ()


def detail_of(entry: Entry, read: Read, *, now: datetime) -> Detail:
    """Return what the page of a SuggestionModel shows."""
    live = entry.live
    records, unreadable = read_records(read.records)
    record = _current(records, live)
    problems = (*read.problems, *(f"A trial record cannot be read: {one}" for one in unreadable))
    title, gates = _gates(entry, record, now)
    share = status_of(live).get("actualShare")
    return Detail(
        row=row_of(entry, now=now),
        runs=tuple(_runs(live)),
        path=tuple(_path(live, record, now)),
        path_title=f"Path{_whose(record, live)}",
        gates=gates,
        gates_title=title,
        classes=None if entry.problem else classes_of(live, gates_of(live)),
        checks=tuple(describe_checks(live)) if is_running(live) and not entry.problem else (),
        share=ActualShare.model_validate(share).describe() if isinstance(share, Mapping) and is_running(live) else "",
        share_chart=None if record is None else share_chart(record.shares, until=_end(record, now)),
        routing=_routing(live),
        pods=tuple(describe_pods(live, read.pods, read.revisions or {})),
        history=tuple(_history(live, records)),
        trials=tuple(side_by_side(records, now=now)),
        notes=(*_notes(entry), *problems),
    )


def _current(records: Sequence[TrialRecord], live: Live) -> TrialRecord | None:
    """Return the record of the last trial of this resource, not one of an earlier object of its name."""
    number, uid = status_of(live).get("trial"), live["metadata"].get("uid")
    return next((one for one in records if one.trial == number and one.uid == uid), None)


def _whose(record: TrialRecord | None, live: Live) -> str:
    """Return the run of the last trial if it is not the candidate any more: ` of RUN`, else ""."""
    candidate = run_of(live, "candidate") or run_of(live, "stable")
    return "" if record is None or record.run_id == candidate else f" of {record.run_id}"


def _end(record: TrialRecord, now: datetime) -> float:
    return ((record.ended_at or now) - record.started_at).total_seconds()


def _runs(live: Live) -> list[tuple[str, str]]:
    stable, previous = run_of(live, "stable"), run_of(live, "previous")
    found = [("stable", stable or "none; the rules serve")]
    if candidate := candidate_of(live):
        attempt = candidate.get("attempt", 1)
        again = f", attempt {attempt}" if attempt > 1 else ""
        found.append(("candidate", f"{candidate['runID']} ({candidate.get('state', '')}{again})"))
    earlier = [f"{run} (loaded)" if run == previous else run for run in restorable(live)]
    return found + ([("can be restored", ", ".join(earlier))] if earlier else [])


def _path(live: Live, record: TrialRecord | None, now: datetime) -> list[Stop]:
    spec, candidate = live.get("spec", {}), candidate_of(live)
    try:
        canary = Canary.model_validate(spec.get("canary") or {})
        bake = Bake.model_validate(spec.get("bake") or {}).duration
    except ValidationError:
        # The condition has what is wrong with the spec.
        return []
    is_in_stage = is_running(live) and not candidate.get("skipsTrial")
    return path_of(
        canary,
        record,
        percent_now=float(candidate.get("percent", 0)) if is_in_stage else None,
        bake=bake,
        is_baking=bool(candidate.get("bake")) and is_in_stage,
        now=now,
    )


def _gates(entry: Entry, record: TrialRecord | None, now: datetime) -> tuple[str, tuple[GateView, ...]]:
    """Return the gates of the running stage; without one, those at the end of the last stage."""
    live = entry.live
    if entry.problem:
        return "", ()
    candidate, gates = candidate_of(live), gates_of(live)
    if is_running(live) and candidate.get("stageStartedAt"):
        began = datetime.fromisoformat(candidate["stageStartedAt"])
        title, age = f"Gates in {stage_name(float(candidate.get('percent', 0)))}", now - began
        return title, tuple(_gate(gate, entry, record, age) for gate in gates)
    last = next((one for one in reversed(record.transitions) if one.gates), None) if record is not None else None
    if record is not None and last is not None:
        gates = list(last.gates)
        title = f"Gates{_whose(record, live)} at the end of {stage_name(last.percent_before)}, the last stage"
        return title, tuple(_gate(gate, entry, record, None) for gate in gates)
    is_refused = candidate.get("state") == "Refused"
    return "Gates at the last check", () if is_refused else tuple(_gate(gate, entry, record, None) for gate in gates)


def _gate(gate: GateStatus, entry: Entry, record: TrialRecord | None, age: timedelta | None) -> GateView:
    points, verdicts = _curve(gate, entry, record)
    return GateView(
        name=gate.name,
        limit=messages.limit(gate),
        verdict=gate.verdict,
        sentence=messages.explain(gate, age=age).partition(": ")[2],
        bar=gate_bar(gate),
        chart=gate_chart(points, bounds=limits_of(gate), verdicts=verdicts),
    )


def _curve(gate: GateStatus, entry: Entry, record: TrialRecord | None) -> tuple[list[CurvePoint], list[VerdictPoint]]:
    """Return the curve of a gate: the points of the record, then those that were seen since."""
    recorded = list(record.curves.get(gate.name, ())) if record is not None else []
    verdicts = verdicts_of(record, gate.name) if record is not None else []
    run, started = entry.seen.trial
    start = record.started_at if record is not None else datetime.fromisoformat(started) if started else None
    if start is None or (record is not None and run != record.run_id):
        return recorded, verdicts
    seen = entry.seen.after(gate.name, start, recorded[-1][0] if recorded else -1.0)
    told = verdicts[-1].at if verdicts else -1.0
    return [*recorded, *map(as_recorded, seen)], [*verdicts, *(one for one in _fallen(seen) if one.at > told)]


def _fallen(seen: Sequence[SeenPoint]) -> list[VerdictPoint]:
    """Return where a verdict fell while the page was watching."""
    found, before = [], Verdict.INCONCLUSIVE
    for at, _, good, total, _, _, verdict in seen:
        if verdict not in (before, Verdict.INCONCLUSIVE) and total > 0:
            found.append(VerdictPoint(at, verdict, min(good / total, 1.0)))
        before = verdict
    return found


def _routing(live: Live) -> str:
    progress = status_of(live).get("propagation") or {}
    serving, _, pods = str(progress.get("pods", "0/0")).partition("/")
    whether = "confirmed" if progress.get("confirmed") else "not confirmed yet"
    return f"Routing revision {progress.get('revision', 0)}: {whether}, {serving} of {pods} pods serve it"


def _history(live: Live, records: Sequence[TrialRecord]) -> list[HistoryView]:
    """Return the last transitions, newest first: those of the records, and those that only status has yet."""
    uid = live["metadata"].get("uid")
    found = [_transition(one) for record in records if record.uid == uid for one in record.transitions]
    known = {(one.at, one.event) for one in found}
    for entry in status_of(live).get("history", []):
        at = datetime.fromisoformat(entry["at"])
        if (at, entry["event"]) not in known:
            evidence = (entry["evidence"],) if entry.get("evidence") else ()
            by = entry.get("by", "operator")
            who = "" if by == "operator" else describe_author(by)
            found.append(HistoryView(at, entry["event"], entry.get("runID", ""), entry["message"], who, "", evidence))
    return sorted(found, key=lambda one: one.at, reverse=True)[:_HISTORY]


def _transition(one: TransitionRecord) -> HistoryView:
    return HistoryView(
        at=one.at,
        event=one.event,
        run=one.run_id,
        message=one.message,
        by="" if one.by == "operator" else describe_author(one.by),
        stage="" if one.stage is None else stage_name(one.percent_before),
        evidence=tuple(f"{messages.describe(gate)}: {gate.verdict}" for gate in one.gates),
    )


def _notes(entry: Entry) -> list[str]:
    if entry.problem or not ready_condition(entry.live):
        return []
    return [*beside_ready(entry.live), *describe_notifications(entry.live)]
