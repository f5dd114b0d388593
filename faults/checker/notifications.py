"""Notifications: every transition is notified, in order, and one that is repeated is the same."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from faults.checker.timeline import Timeline, new_entries
from faults.checker.violation import Violation

Json = dict[str, Any]


def violations(timeline: Timeline) -> Iterator[Violation]:
    """Yield every transition that nobody was notified of, and what is wrong with notifications."""
    by_id: dict[str, Json] = {}
    delivered: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    last: dict[str, int] = defaultdict(int)
    dropped: set[str] = set()
    for record in timeline.kind("notified"):
        data, uid = record["data"], record["data"]["uid"]
        if data.get("dropped"):
            dropped.add(uid)
        if record["id"] in by_id:
            if by_id[record["id"]] != data:
                yield Violation("a repeated notification is the same", record["t"], record["id"])
            continue
        by_id[record["id"]] = data
        delivered[uid][data["kind"], data["runID"]] += 1
        if data["sequence"] <= last[uid]:
            message = f"{record['id']} after number {last[uid]}"
            yield Violation("notifications keep their order", record["t"], message)
        last[uid] = max(last[uid], data["sequence"])
    for uid, versions in timeline.versions.items():
        if uid in timeline.deleted or uid in dropped or not versions[0].spec.get("notifications"):
            continue
        yield from _missing(uid, timeline, delivered[uid])


def _missing(uid: str, timeline: Timeline, delivered: Counter[tuple[str, str]]) -> Iterator[Violation]:
    happened: Counter[tuple[str, str]] = Counter()
    before: list[Json] = []
    for version in timeline.versions[uid]:
        for entry in new_entries(before, version.history):
            happened[entry["event"], entry.get("runID", "")] += 1
        before = version.history or before
    for (event, run), number in happened.items():
        if delivered[event, run] < number:
            message = f"{uid}: {event} of {run}: {number} times, notified {delivered[event, run]} times"
            yield Violation("every transition is notified", timeline.records[-1]["t"], message)
