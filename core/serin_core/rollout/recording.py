"""The record of a trial: begun, extended from what each pass decided, and kept short. Pure; docs/records.md.

A record is made for users. It is never read for a decision, and a point of a curve that is lost does no harm.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self, TypeVar

from pydantic import ValidationError

from serin_core.api.format_versions import newer_version
from serin_core.api.gate_status import GateStatus
from serin_core.api.record import CurvePoint, Outcome, RollbackTime, SharePoint, TransitionRecord, TrialRecord
from serin_core.api.resource import Resource
from serin_core.api.status import CandidateState, HistoryEntry, Status
from serin_core.contract.documents import one_line
from serin_core.rollout.transition import ALL_USERS

MAX_POINTS: Final = 200
"""Points of each curve in a record."""
MAX_BYTES: Final = 800_000
"""Length of a record: an object of the API server may have about a MiB."""
MAX_SPEC_BYTES: Final = 100_000
_Point = TypeVar("_Point", CurvePoint, SharePoint)


class RecordError(ValueError):
    """A record that cannot be read. The message is one line."""


class NewerRecordError(RecordError):
    """A record of a version that this program does not know: it must not be written over."""


_OUTCOMES: Final = {
    CandidateState.ROLLED_BACK: Outcome.ROLLED_BACK,
    CandidateState.REFUSED: Outcome.REFUSED,
    CandidateState.STOPPED: Outcome.PROMOTED,  # a stop is no verdict on the trial
}


@dataclass(frozen=True, slots=True)
class GateNoted:
    """The counts of a gate at one check."""

    name: str
    good: float | None
    total: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class CandidateNoted:
    """The candidate after one pass."""

    run_id: str
    digest: str | None
    outcome: Outcome
    percent: float
    """Percent of users that it serves, 0 once its rollout is over."""

    @classmethod
    def of(cls, status: Status) -> Self | None:
        """Return what a record needs of the candidate, None without one."""
        candidate = status.candidate
        if candidate is None:
            return None
        is_baking = candidate.state is CandidateState.STOPPED and candidate.bake is not None
        outcome = Outcome.RUNNING if is_baking else _OUTCOMES.get(candidate.state, Outcome.RUNNING)
        percent = 0.0 if status.rollout is None else candidate.served_percent
        return cls(candidate.run_id, candidate.digest, outcome, percent)


@dataclass(frozen=True, slots=True)
class Noted:
    """What one pass adds to the record of a trial. It waits for minutes, so it holds only what a record needs."""

    at: datetime
    stable: str | None
    """The stable run."""
    candidate: CandidateNoted | None
    actual: tuple[float | None, float | None]
    """Actual percent of users and of requests, None where they are not known."""
    rollback: RollbackTime | None
    gates: tuple[GateNoted, ...] = ()
    """Gates of the stage, if they were judged on counts of this pass."""
    transition: TransitionRecord | None = None
    is_counted: bool = False
    """Whether the gates were judged on counts of this pass."""

    @classmethod
    def of(
        cls, at: datetime, status: Status, transition: TransitionRecord | None = None, *, is_counted: bool = False
    ) -> Self:
        """Return what a record needs of the status after a pass."""
        share = status.actual_share
        return cls(
            at=at,
            stable=None if status.stable is None else status.stable.run_id,
            candidate=CandidateNoted.of(status),
            actual=(None, None) if share is None else (share.users, share.requests),
            rollback=status.rollback,
            gates=_counts(status.gates) if is_counted else (),
            transition=transition,
            is_counted=is_counted,
        )

    def adds_to(self, last: "Noted | None") -> bool:
        """Return whether this adds anything to a record that has `last`, the note before."""
        if last is None or last.transition is not None or self.transition is not None:
            return True
        return replace(self, at=last.at) != last

    def percent_of(self, run_id: str) -> float:
        """Return the percent of users that a run serves: all of them if it is the stable run."""
        if self.stable == run_id:
            return ALL_USERS
        return self.candidate.percent if self.candidate is not None and self.candidate.run_id == run_id else 0.0


def _counts(gates: Iterable[GateStatus]) -> tuple[GateNoted, ...]:
    return tuple(GateNoted(gate.name, gate.good, gate.total, gate.lower, gate.upper) for gate in gates)


def begin(resource: Resource, status: Status, *, by: str, now: datetime) -> TrialRecord:
    """Return the record of the trial that a status numbers, before anything is added to it."""
    candidate = status.candidate
    spec = resource.spec.model_dump(mode="json", exclude_unset=True)
    return TrialRecord(
        trial=status.trial,
        namespace=resource.namespace,
        name=resource.name,
        uid=resource.uid,
        run_id=resource.spec.run_id if candidate is None else candidate.run_id,
        digest=None if candidate is None else candidate.digest,
        attempt=1 if candidate is None else candidate.attempt,
        started_at=now if candidate is None else candidate.attempt_started_at,
        by=by,
        spec=spec if len(json.dumps(spec)) <= MAX_SPEC_BYTES else None,
    )


def recover(record: TrialRecord, history: Iterable[HistoryEntry]) -> TrialRecord:
    """Return the record with the transitions that only the history has, because an operator ended before it wrote."""
    known = {(one.at, one.event) for one in record.transitions}
    lost = [
        TransitionRecord(
            at=entry.at,
            run_id=entry.run_id,
            event=entry.event,
            message=f"{entry.message} ({entry.evidence})" if entry.evidence else entry.message,
            by=entry.by,
            percent_before=entry.percent,
            percent=entry.percent,
        )
        for entry in history
        if entry.at >= record.started_at and (entry.at, entry.event) not in known
    ]
    if not lost:
        return record
    return record.changed(transitions=tuple(sorted((*record.transitions, *lost), key=lambda one: one.at)))


def extend(record: TrialRecord, noted: Noted) -> TrialRecord:
    """Return the record with what one pass adds."""
    changes: dict[str, Any] = {}
    transition, candidate = noted.transition, noted.candidate
    if transition is not None and (transition.at, transition.event) not in {
        (one.at, one.event) for one in record.transitions
    }:
        changes["transitions"] = (*record.transitions, transition)
    if noted.is_counted or transition is not None:
        changes |= _points(record, noted)
    outcome = _outcome(record, noted)
    if outcome is not record.outcome:
        reason = record.reason if transition is None else transition.message
        ended = record.ended_at or (None if outcome is Outcome.RUNNING else noted.at)
        changes |= {"outcome": outcome, "reason": reason, "ended_at": ended}
    if candidate is not None and candidate.run_id == record.run_id and candidate.digest is not None:
        changes["digest"] = candidate.digest
    if noted.rollback is not None and noted.rollback.trial == record.trial:
        others = [one for one in record.rollbacks if one.at != noted.rollback.at]
        changes["rollbacks"] = (*others, noted.rollback)
    return record.changed(**changes)


def close(record: TrialRecord, *, successor: str, at: datetime) -> TrialRecord:
    """Return the record of a trial after the start of the next one, which rolls out `successor`."""
    if record.outcome is not Outcome.RUNNING:
        return record
    reason = f"another rollout started: {successor}"
    return record.changed(outcome=Outcome.REPLACED, reason=reason, ended_at=at)


def _outcome(record: TrialRecord, noted: Noted) -> Outcome:
    candidate = noted.candidate
    if candidate is not None and candidate.run_id == record.run_id:
        return candidate.outcome
    if noted.stable == record.run_id:
        return Outcome.PROMOTED
    return record.outcome if record.outcome is not Outcome.RUNNING else Outcome.CANCELLED


def _points(record: TrialRecord, noted: Noted) -> dict[str, Any]:
    seconds = round((noted.at - record.started_at).total_seconds(), 1)
    percent, curves = noted.percent_of(record.run_id), dict(record.curves)
    stage, gates = _judged(record, noted) if noted.is_counted else (percent, ())
    for gate in gates:
        if gate.good is None or gate.total is None:
            continue
        known = curves.get(gate.name, ())
        if known and known[-1][1:4] == (stage, gate.good, gate.total):
            continue
        point = (seconds, stage, gate.good, gate.total, gate.lower, gate.upper)
        curves[gate.name] = thinned((*known, point), above=2 * MAX_POINTS)
    found = {"curves": curves} if curves != record.curves else {}
    wanted = (percent, *noted.actual)
    if not record.shares or record.shares[-1][1:] != wanted:
        shares = thinned((*record.shares, (seconds, *wanted)), above=2 * MAX_POINTS)
        return found | {"shares": shares}
    return found


def _judged(record: TrialRecord, noted: Noted) -> tuple[float, tuple[GateNoted, ...]]:
    """Return the percent and the gates of the stage that was judged; a transition that ends one keeps its counts."""
    transition = noted.transition
    if transition is not None and transition.gates and transition.run_id == record.run_id:
        return transition.percent_before, _counts(transition.gates)
    return noted.percent_of(record.run_id), noted.gates


def thinned(points: Sequence[_Point], *, above: int = MAX_POINTS, to: int = MAX_POINTS) -> tuple[_Point, ...]:
    """Return at most `to` points where there are more than `above`, evenly spread over time.

    The first and the last point stay, and as far as possible the first and the last one of each stage.
    """
    if len(points) <= above:
        return tuple(points)
    ends = {0, len(points) - 1}
    ends |= {place for place in range(1, len(points)) if points[place - 1][1] != points[place][1]}
    ends |= {place - 1 for place in ends if place > 0}
    if len(ends) > to // 2:
        ends = {0, len(points) - 1}
    start, end = points[0][0], points[-1][0]
    buckets: dict[int, int] = {}
    for place, point in enumerate(points):
        if place not in ends:
            width = (end - start) / (to - len(ends)) or 1.0
            buckets[min(int((point[0] - start) / width), to - len(ends) - 1)] = place
    return tuple(points[place] for place in sorted(ends | set(buckets.values())))


def written(record: TrialRecord) -> tuple[TrialRecord, str]:
    """Return the record as it is written, and its text of at most MAX_BYTES: with fewer points, then less evidence."""
    points = MAX_POINTS
    record = _with_points(record.changed(version=record.FORMAT.lowest(record)), points)
    text = _text(record)
    while len(text) > MAX_BYTES:
        middle = [place for place in range(1, len(record.transitions) - 1) if record.transitions[place].gates]
        if points > MAX_POINTS // 10:
            points //= 2
            record = _with_points(record, points)
        elif middle:
            record = _without_evidence(record, frozenset(middle[::2]))
        elif len(record.transitions) > 2:  # noqa: PLR2004 - the first and the last one stay
            dropped = len(record.transitions) // 2
            left = (record.transitions[0], *record.transitions[dropped + 1 :])
            record = record.changed(transitions=left, dropped_transitions=record.dropped_transitions + dropped)
        else:
            record = _without_evidence(record, frozenset(range(2))).changed(spec=None, curves={}, shares=())
            return record, _text(record)
        text = _text(record)
    return record, text


def _with_points(record: TrialRecord, points: int) -> TrialRecord:
    curves = {name: thinned(curve, above=points, to=points) for name, curve in record.curves.items()}
    return record.changed(curves=curves, shares=thinned(record.shares, above=points, to=points))


def _without_evidence(record: TrialRecord, places: frozenset[int]) -> TrialRecord:
    kept = (one.without_gates() if place in places else one for place, one in enumerate(record.transitions))
    return record.changed(transitions=tuple(kept))


def _text(record: TrialRecord) -> str:
    return json.dumps(record.model_dump(mode="json", exclude_none=True), separators=(",", ":"))


def read(text: str) -> TrialRecord:
    """Return the record of a text. Raises RecordError for damage, NewerRecordError if a newer version wrote it."""
    try:
        return TrialRecord.model_validate_json(text)
    except ValidationError as error:
        kind = NewerRecordError if newer_version(error) else RecordError
        raise kind(one_line(error)) from None
