"""Routing documents: decided before they are written, one for each revision, and revisions never fall."""

from collections import defaultdict
from collections.abc import Iterator

from faults.checker.timeline import Timeline
from faults.checker.violation import Violation


def violations(timeline: Timeline) -> Iterator[Violation]:
    """Yield what is wrong with documents, in the API server and in pods."""
    yield from _of_the_operator(timeline)
    yield from _of_status(timeline)
    yield from _of_pods(timeline)


def _of_the_operator(timeline: Timeline) -> Iterator[Violation]:
    for uid, documents in timeline.documents.items():
        decided = {
            (one.propagation.get("revision"), one.propagation.get("hash")) for one in timeline.versions.get(uid, [])
        }
        highest = -1
        by_revision: dict[int, str] = {}
        for one in documents:
            if one.is_by_hand:
                continue
            if one.content is None or one.content.get("uid") != uid:
                yield Violation("routing is a document of its resource", one.at, one.text[:200])
                continue
            if one.revision < highest:
                yield Violation("revisions never fall", one.at, f"{uid}: {one.revision} written after {highest}")
            highest = max(highest, one.revision)
            if by_revision.setdefault(one.revision, one.hash) != one.hash:
                yield Violation("one document for each revision", one.at, f"{uid}: two of revision {one.revision}")
            if (one.revision, one.hash) not in decided:
                message = f"{uid}: revision {one.revision} is not what any status has decided"
                yield Violation("status is written before routing", one.at, message)


def _of_status(timeline: Timeline) -> Iterator[Violation]:
    for uid, versions in timeline.versions.items():
        highest = -1
        for one in versions:
            revision = int(one.propagation.get("revision", -1))
            if one.status and revision < highest:
                yield Violation("revisions never fall", one.at, f"{uid}: status has {revision} after {highest}")
            highest = max(highest, revision)


def _of_pods(timeline: Timeline) -> Iterator[Violation]:
    highest: dict[tuple[str, str], int] = defaultdict(lambda: -1)
    for record in timeline.kind("applied"):
        pod, revision = (record["uid"], record["pod"]), record["revision"]
        if -1 < revision < highest[pod]:
            message = f"{record['pod']} serves revision {revision} after {highest[pod]}"
            yield Violation("pods never go back to a lower revision", record["t"], message)
        highest[pod] = max(highest[pod], revision)
