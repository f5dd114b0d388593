"""Ends: once nothing is broken any more, every rollout ends as it would have without the faults."""

from collections.abc import Iterator

from faults.checker.timeline import Timeline, Version
from faults.checker.violation import Violation

_PROMISE = "faults do not change the end"


def violations(timeline: Timeline) -> Iterator[Violation]:
    """Yield every rollout that has not ended, or has ended otherwise."""
    last = next(timeline.kind("settled"), None)
    if last is None:
        yield Violation(_PROMISE, timeline.records[-1]["t"], "the history has no end")
        return
    if last["problem"]:
        yield Violation(_PROMISE, last["t"], last["problem"])
    for uid, versions in timeline.versions.items():
        if uid not in timeline.deleted:
            yield from _end(timeline, uid, versions[-1], last["number"])
    for record in timeline.kind("traceback"):
        yield Violation("operators have no internal error", record["t"], f"{record['name']}: {record['line']}")
    for record in timeline.kind("broken"):
        yield Violation("the storm itself works", record["t"], record["what"])


def _end(timeline: Timeline, uid: str, end: Version, settled: int) -> Iterator[Violation]:
    run, candidate = end.spec["runID"], end.candidate
    where = f"{uid}: {run}, {'sound' if timeline.is_sound.get(run) else 'bad'}"
    asked = [
        one["by"].partition(" ")[0] for one in end.history if one.get("runID") == run and one.get("by") != "operator"
    ]
    is_ended_by_user = "abort" in asked or "undo" in asked
    is_rolled_back = candidate.get("runID") == run and candidate.get("state") in ("RolledBack", "Refused")
    if timeline.is_sound.get(run) and end.stable != run and not (is_rolled_back and is_ended_by_user):
        yield Violation(
            _PROMISE, end.at, f"{where} is {candidate.get('state')}, and {end.stable or 'no run'} is stable"
        )
    if timeline.is_sound.get(run) is False and not is_rolled_back and "promote" not in asked:
        yield Violation(
            _PROMISE, end.at, f"{where} is {candidate.get('state')}, and {end.stable or 'no run'} is stable"
        )
    if not end.propagation.get("confirmed"):
        yield Violation(_PROMISE, end.at, f"{where}: its routing is not confirmed")
    for one in timeline.processes.values():
        applied = one.last("applied", settled)
        is_there = one.started < settled and (one.ended is None or one.ended > settled)
        if one.uid == uid and is_there and applied["revision"] != end.propagation.get("revision"):
            message = f"{where}: {one.pod} serves revision {applied['revision']}, not {end.propagation.get('revision')}"
            yield Violation(_PROMISE, end.at, message)
