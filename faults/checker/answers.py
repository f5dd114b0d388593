"""Answers to users: only of runs that the routing names, to the users that it names, and never after a rollback."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from faults.checker.timeline import Timeline, Version
from faults.checker.violation import Violation

_BEGINS = (
    "RolloutStarted",
    "RolloutRetried",
    "PreviousRunRestored",
    "RunRestored",
    "TrustRequested",
    "EmergencyStopEnded",
)
RULES = "rules"
_NOTICED = 10.0
"""Seconds that a pod on a busy machine may need to notice that its time is over."""


def violations(timeline: Timeline) -> Iterator[Violation]:
    """Yield every answer that nobody should have got."""
    withdrawn = _Withdrawn(timeline)
    heard: dict[tuple[str, str], float] = {}
    users: dict[tuple[str, str], dict[str, tuple[float, float]]] = defaultdict(dict)
    for record in timeline.records:
        withdrawn.note(record)
        if record["kind"] in ("started", "reported"):
            pod = (record["uid"], record["pod"])
            if record["kind"] == "reported" or pod not in heard:
                heard[pod] = record["t"]
        if record["kind"] != "answered":
            continue
        if sum(record["shown"].values()) != record["asked"]:
            yield Violation("every request is answered", record["t"], f"{record['pod']}: {record['shown']}")
        yield from withdrawn.check(record)
        document = timeline.document(record["uid"], record["revision"], record["hash"])
        if document is not None and document.content is not None:
            yield from _watched(record, document.content, heard[record["uid"], record["pod"]])
            yield from _by_document(record, document.content, users[record["uid"], document.content["salt"]])
        elif record["revision"] == -1:
            if set(record["shown"]) - {RULES}:
                yield Violation("without routing the rules serve", record["t"], f"{record['pod']}: {record['shown']}")
        elif not timeline.is_by_hand(record["uid"], record["revision"]):
            message = f"{record['pod']} serves revision {record['revision']}, which nobody has written"
            yield Violation("pods serve what was written", record["t"], message)


def _watched(record: dict[str, Any], document: dict[str, Any], heard: float) -> Iterator[Violation]:
    limit = (document["candidate"] or {}).get("supervisionSeconds")
    if record["percent"] > 0 and limit is not None and record["t"] - heard > limit + _NOTICED:
        message = f"{record['pod']} serves the candidate, and nobody has asked for {record['t'] - heard:.0f} s"
        yield Violation("a candidate that nobody watches serves nobody", record["t"], message)


def _by_document(
    record: dict[str, Any], document: dict[str, Any], users: dict[str, tuple[float, float]]
) -> Iterator[Violation]:
    candidate, stable = document["candidate"] or {}, document["stable"] or {}
    where = f"{record['pod']}, revision {record['revision']}"
    percent, decided = record["percent"], candidate.get("percent", 0)
    if percent not in (0, decided):
        message = f"{where}: {percent} % where {decided} % were decided"
        yield Violation("the percent is the decided one", record["t"], message)
    allowed = {RULES, stable.get("run")} | ({candidate["run"]} if percent > 0 else set())
    if wrong := set(record["shown"]) - allowed:
        yield Violation("only runs of the routing answer", record["t"], f"{where}: {sorted(wrong)}")
    named = candidate.get("run") or stable.get("run") or RULES
    if (record["run"], record["stage"]) != (named, document["stage"]):
        message = f"{where}: {record['run']}, stage {record['stage']}; it is {named}, stage {document['stage']}"
        yield Violation("counts are those of the stage", record["t"], message)
    for user, is_in in record["panel"].items():
        most_out, least_in = users.get(user, (-1.0, 101.0))
        users[user] = (most_out, min(least_in, percent)) if is_in else (max(most_out, percent), least_in)
        most_out, least_in = users[user]
        if most_out >= least_in or (is_in and percent == 0) or (not is_in and percent == 100):  # noqa: PLR2004
            message = f"{where}: {user} is {'in' if is_in else 'out of'} the canary at {percent} %; in at {least_in}"
            yield Violation("who is in the canary stays in it", record["t"], message)


def _begun(version: Version) -> list[dict[str, Any]]:
    return [one for one in version.history if one["event"] in _BEGINS]


class _Withdrawn:
    """Runs whose rollback every pod has confirmed."""

    def __init__(self, timeline: Timeline) -> None:
        self._versions = {one.number: (uid, one) for uid, of in timeline.versions.items() for one in of}
        self._runs: dict[str, dict[str, int]] = defaultdict(dict)
        """By uid and run, the revision that withdraws it, once it was confirmed."""
        self._seen: set[tuple[str, str, str]] = set()

    def note(self, record: dict[str, Any]) -> None:
        """Take in a state of a resource."""
        uid, version = self._versions.get(record["number"], ("", None))
        if version is None:
            return
        for entry in version.history:
            key = (uid, entry["at"], entry["event"])
            if key not in self._seen:
                self._seen.add(key)
                if entry["event"] in _BEGINS:
                    self._runs[uid].pop(entry.get("runID", ""), None)
        rollback = version.status.get("rollback") or {}
        key = (uid, rollback.get("at", ""), "confirmed")
        if "confirmedAt" in rollback and key not in self._seen:
            self._seen.add(key)
            if not any(one.get("runID") == rollback["runID"] and one["at"] > rollback["at"] for one in _begun(version)):
                self._runs[uid][rollback["runID"]] = rollback["revision"]

    def check(self, record: dict[str, Any]) -> Iterator[Violation]:
        """Yield each answer of a run that was withdrawn."""
        withdrawn = self._runs[record["uid"]]
        for run in withdrawn.keys() & record["shown"].keys():
            message = f"{record['pod']}, revision {record['revision']}, answers by {run}, withdrawn by {withdrawn[run]}"
            yield Violation("a run that was rolled back answers nobody", record["t"], message)
