"""Query gates at one check: like alert rules, by how long a bound has been met or violated.

The times are kept in the status, so that a restart of the operator does not lose them. A check without a result, and a
pause longer than that after which counts are stale, begin both again: nobody knows what was true meanwhile.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from serin_core.api.gate_names import GateMode
from serin_core.api.gate_status import GateRole, GateStatus
from serin_core.api.queries import Query
from serin_core.api.query_status import QueryStatus
from serin_core.api.spec import SuggestionModelSpec
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import stale_after
from serin_core.evidence.counts import Verdict

NOT_ASKED: Final = Unreadable("NotAsked", "the query has not been sent yet")
CHECKED: Final = "Checked"
"""Reason of a verdict: the bound was checked, nothing was statistically tested."""
NOT_LONG_ENOUGH: Final = "NotLongEnough"


def active_queries(spec: SuggestionModelSpec, *, percent: float) -> tuple[Query, ...]:
    """Return the queries that are checked in a stage."""
    return tuple(
        query
        for query in spec.gates.queries
        if query.mode is not GateMode.OFF and (query.stages is None or percent in query.stages)
    )


def acting_queries(spec: SuggestionModelSpec, *, percent: float) -> tuple[Query, ...]:
    """Return the queries that must pass before the stage ends."""
    return tuple(query for query in active_queries(spec, percent=percent) if query.mode is GateMode.ENFORCE)


def judge_queries(
    spec: SuggestionModelSpec,
    *,
    percent: float,
    results: Mapping[str, float | Unreadable],
    before: Iterable[GateStatus],
    now: datetime,
) -> tuple[GateStatus, ...]:
    """Return every query gate of a stage; `results` by its name, `before` is every gate at the check before."""
    known = {gate.name: gate for gate in before if gate.query is not None}
    longest = stale_after(spec.analysis.interval)
    return tuple(
        _judge(query, results.get(query.name, NOT_ASKED), known.get(query.name), longest, now)
        for query in active_queries(spec, percent=percent)
    )


def _judge(
    query: Query, result: float | Unreadable, before: GateStatus | None, longest: timedelta, now: datetime
) -> GateStatus:
    length = query.for_.total_seconds()
    gate = GateStatus(
        name=query.name,
        at_least=query.at_least,
        at_most=query.at_most,
        role=GateRole.DRY_RUN if query.mode is GateMode.DRY_RUN else GateRole.ACTING,
        reason=NOT_LONG_ENOUGH,
        query=QueryStatus(query=query.query, held_for=length),
    )
    if isinstance(result, Unreadable):
        return gate.model_copy(update={"reason": result.reason, "detail": result.message})
    last = _continued(gate, before, longest, now)
    is_violated = _is_violated(query, result)
    met, violated = (None, last.violated_since or now) if is_violated else (last.met_since or now, None)
    held = QueryStatus(
        query=query.query, held_for=length, value=result, met_since=met, violated_since=violated, checked_at=now
    )
    update: dict[str, object] = {"query": held}
    if now - (violated or met or now) >= query.for_:
        update |= {"verdict": Verdict.FAIL if is_violated else Verdict.PASS, "reason": CHECKED}
    return gate.model_copy(update=update)


def _is_violated(query: Query, value: float) -> bool:
    is_low = query.at_least is not None and value < query.at_least
    return is_low or (query.at_most is not None and value > query.at_most)


def _continued(gate: GateStatus, before: GateStatus | None, longest: timedelta, now: datetime) -> QueryStatus:
    """Return the times of the check before that go on: of the same query and bound, and not too long ago."""
    blank = QueryStatus(query="", held_for=0)
    if before is None or before.query is None or before.query.checked_at is None or gate.query is None:
        return blank
    is_same = (before.query.query, before.at_least, before.at_most) == (gate.query.query, gate.at_least, gate.at_most)
    pause = now - before.query.checked_at
    return before.query if is_same and timedelta() <= pause <= longest else blank
