"""Steps of rollouts: none early, skipped, unconfirmed, held or unproven; no rollback that is false or lost."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from faults.checker.timeline import Timeline, Version, new_entries
from faults.checker.violation import Violation

_ROLLBACKS = (
    "GateFailed",
    "CheckFailed",
    "StageTimedOut",
    "NoDataTimedOut",
    "CandidateCrashed",
    "RunRejected",
    "RunRefused",
)
_RESTORES = frozenset(
    {
        *_ROLLBACKS,
        "PreviousRunRestored",
        "RunRestored",
        "EmergencyStopEnded",
        "RolloutAborted",
        "RolloutStarted",
        "Undone",
    }
)
"""Transitions after which a run that was proven before serves all users again."""
_ATTEMPT = ("runID", "attempt")
_CORRECTED = 300.0
"""Seconds in which an operator may still follow a clock that was wrong."""
_YOUNG = 20.0
"""Seconds in which a decision may be under way, and a pod that no operator has asked before may not be known."""
_ALL = 100
_READABLE = ("", "slow", "old", "behind", "half")
"""What may be wrong with an answer of Prometheus whose counts are counts all the same."""
Json = dict[str, Any]


def violations(timeline: Timeline) -> Iterator[Violation]:
    """Yield every wrong step and rollback."""
    for uid, versions in timeline.versions.items():
        before: Version | None = None
        for after in versions:
            if not after.status:
                continue
            if before is not None:
                yield from _changes(timeline, uid, before, after)
            before = after
    yield from _records(timeline)


def _changes(timeline: Timeline, uid: str, before: Version, after: Version) -> Iterator[Violation]:
    entries = new_entries(before.history, after.history)
    if before.history and after.history and before.history[-1] not in after.history:
        yield Violation("the history only grows", after.at, f"{uid}: {before.history[-1]['event']} is gone")
    if len(entries) > 1:
        yield Violation("one transition a pass", after.at, f"{uid}: {[one['event'] for one in entries]}")
    for entry in entries:
        yield from _rollback(timeline, after, entry)
        if entry["event"] == "StageStarted":
            where = f"{uid}: start of the stage of {after.candidate.get('runID')} at {after.candidate.get('percent')} %"
            yield from _confirmed(timeline, uid, after, after.candidate["stage"], where)
    entry = entries[-1] if entries else {}
    old, new = before.candidate, after.candidate
    is_same = bool(old) and all(old.get(key) == new.get(key) for key in _ATTEMPT)
    promoted = after.stable != before.stable and after.stable == old.get("runID") and entry.get("event") == "Promoted"
    if promoted or (is_same and new.get("percent", 0) > old.get("percent", 0)):
        yield from _step(timeline, uid, before, after, entry)
    elif after.stable not in (before.stable, "") and entry.get("event") not in _RESTORES:
        message = f"{uid}: {after.stable} serves all users after {entry.get('event')}"
        yield Violation("only proven runs are stable", after.at, message)


def _step(timeline: Timeline, uid: str, before: Version, after: Version, entry: Json) -> Iterator[Violation]:
    old, new = before.candidate, after.candidate
    percent, is_promotion = old.get("percent", 0), entry.get("event") == "Promoted"
    where = f"{uid}: {old['runID']} at {percent:g} %"
    by = entry.get("by", "operator")
    spec = after.spec
    if spec.get("suspend") or old.get("pause"):
        yield Violation("no step while suspended or paused", after.at, where)
    steps = [step["percent"] for step in spec["canary"]["steps"]]
    cap = spec["canary"].get("percent", _ALL)
    if is_promotion:
        if percent < _ALL:
            yield Violation("promoted only after the last step", after.at, where)
    else:
        next_percent = min([one for one in (*(min(step, cap) for step in steps), cap) if one > percent], default=None)
        if new.get("percent") != next_percent:
            yield Violation("no step is skipped", after.at, f"{where} steps to {new.get('percent')}")
    if old.get("state") != "Running" or not old.get("stage"):
        yield Violation("a step follows a stage", after.at, f"{where} is {old.get('state')}")
        return
    yield from _confirmed(timeline, uid, after, old["stage"], where)
    if by == "operator" and any(
        step.get("approval", spec["canary"].get("approval")) == "Manual"
        for step in spec["canary"]["steps"]
        if not is_promotion and min(step["percent"], cap) == new.get("percent")
    ):
        yield Violation("no step without its approval", after.at, where)
    if by == "operator":
        yield from _soaked(timeline, uid, before, after, where)


def _confirmed(timeline: Timeline, uid: str, after: Version, stage: int, where: str) -> Iterator[Violation]:
    written = next((one.number for one in timeline.documents[uid] if one.revision >= stage), after.number)
    asked = {
        one.pod
        for one in timeline.processes.values()
        if one.uid == uid and one.reported and one.reported[0]["number"] < written
    }
    for one in timeline.processes.values():
        if one.uid != uid or one.started > after.number or (one.ended is not None and one.ended < after.number):
            continue
        applied, reported = one.last("applied", after.number), one.last("reported", after.number)
        # A container that has never started, as far as anybody has told, is not waited for (contracts, rule 2).
        is_known = one.pod in asked or after.at - one.started_at > _YOUNG
        if min(applied["revision"], reported["revision"]) < stage and is_known:
            message = f"{where}: {one.pod} serves revision {applied['revision']}, of stage {stage}"
            yield Violation("nothing moves forward without confirmation by every pod", after.at, message)


def _soaked(timeline: Timeline, uid: str, before: Version, after: Version, where: str) -> Iterator[Violation]:
    old = before.candidate
    applied = [
        record["t"]
        for one in timeline.processes.values()
        if one.uid == uid
        for record in one.applied
        if record["revision"] >= old["stage"]
    ]
    first = min(applied, default=after.at)
    percent = old.get("percent", 0)
    canary = before.spec["canary"]
    soaks = {step["percent"]: step.get("soak", "24h") for step in canary["steps"]}
    soak = _seconds(canary.get("shadowSoak", "24h") if percent == 0 else soaks.get(percent, "0s"))
    took = after.at - first
    if old.get("bake"):
        # Where the stage starts again, the time of the bake goes on (contracts, rule 16).
        soak = _seconds(before.spec.get("bake", {}).get("duration", "0s"))
        begun = [
            one["at"] for one in after.history if (one["event"], one.get("runID")) == ("BakeStarted", old["runID"])
        ]
        took = _between(begun[-1], after.history[-1]["at"]) if begun else soak
    # The operator's clock is that of the API server: one that is ahead ends a soak early (contracts, Time).
    if took < soak and not timeline.has_fault("clocks", first - _CORRECTED, after.at):
        yield Violation("no step is early", after.at, f"{where}: {took:.2f} s of {soak:g} s of soak")
    if not any(
        first <= one["t"] <= after.at and one["status"] == 200 and one["fault"] in _READABLE  # noqa: PLR2004 - HTTP
        for one in timeline.kind("queried")
    ):
        yield Violation("no step without new counts", after.at, f"{where}: Prometheus has told nothing in this stage")


def _rollback(timeline: Timeline, after: Version, entry: Json) -> Iterator[Violation]:
    run, event = entry.get("runID", ""), entry["event"]
    sound = timeline.is_sound.get(run)
    if event in _ROLLBACKS and sound:
        yield Violation("no rollback is false", after.at, f"{run}: {event}: {entry['message']}")
    if event == "Promoted" and sound is False and entry.get("by", "operator") == "operator":
        yield Violation("no rollback is lost", after.at, f"{run} was promoted: {entry['message']}")


def _records(timeline: Timeline) -> Iterator[Violation]:
    for name, record in timeline.trials.items():
        for one in record.get("transitions", []):
            acting = [gate for gate in one.get("gates", []) if gate.get("role", "Acting") == "Acting"]
            if one["event"] != "StepAdvanced" or one.get("by", "operator") != "operator" or not acting:
                continue
            if open_ := [gate["name"] for gate in acting if gate.get("verdict") != "Pass"]:
                yield Violation("every gate passes before a step", 0.0, f"{name}: {one['at']}: {open_}")


def _between(earlier: str, later: str) -> float:
    """Return the seconds between two times of a history."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _seconds(text: str) -> float:
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    total, number = 0.0, ""
    for character in text:
        if character in units:
            total, number = total + float(number) * units[character], ""
        else:
            number += character
    return total
