"""Manual requests: each acts at most once, for the run and stage that it names, and nobody has invented it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from faults.checker.timeline import Timeline, Version, new_entries
from faults.checker.violation import Violation

Json = dict[str, Any]


def violations(timeline: Timeline) -> Iterator[Violation]:
    """Yield every request that acted twice, on another run, or that nobody has made."""
    made = {(one["uid"], one["action"], one["value"]) for one in timeline.kind("requested")}
    for uid, versions in timeline.versions.items():
        answers: dict[tuple[str, str], str] = {}
        acted: Counter[str] = Counter()
        before: Version | None = None
        for after in versions:
            yield from _answers(uid, after, answers, made)
            if before is not None:
                for entry in new_entries(before.history, after.history):
                    if entry.get("by", "operator") != "operator":
                        acted[entry["by"]] += 1
                        yield from _acts(uid, before, after, entry, answers=answers, acted=acted)
            before = after if after.status else before


def _answers(
    uid: str, after: Version, answers: dict[tuple[str, str], str], made: set[tuple[str, str, str]]
) -> Iterator[Violation]:
    listed = [(one["action"], one["value"]) for one in after.status.get("handledRequests") or []]
    if len(set(listed)) < len(listed):
        yield Violation("a request is answered once", after.at, f"{uid}: {listed}")
    for one in after.status.get("handledRequests") or []:
        key = (one["action"], one["value"])
        if (uid, *key) not in made:
            yield Violation("only requests that were made are answered", after.at, f"{uid}: {key}")
        if answers.setdefault(key, one["answer"]) != one["answer"]:
            yield Violation(
                "a request is answered once", after.at, f"{uid}: {key}: {answers[key]}, then {one['answer']}"
            )


def _acts(
    uid: str, before: Version, after: Version, entry: Json, *, answers: dict[tuple[str, str], str], acted: Counter[str]
) -> Iterator[Violation]:
    by = entry["by"]
    action, _, value = by.partition(" ")
    where = f"{uid}: {entry['event']} by {by}"
    if acted[by] > 1:
        yield Violation("a request acts at most once", after.at, where)
    if not answers.get((action, value), "").startswith("Done"):
        yield Violation("a request that acts is answered Done", after.at, where)
    words = value.split()
    if words[:1] != [entry.get("runID", "")]:
        yield Violation("a request acts for its run only", after.at, f"{where} on {entry.get('runID')}")
    if action == "abort" and before.candidate.get("runID") != words[0]:
        yield Violation("a request acts for its run only", after.at, f"{where}: it is not the candidate")
    if action == "promote" and words[1] not in (f"{before.candidate.get('percent', 0):g}", "bake"):
        yield Violation(
            "a promote acts for its stage only", after.at, f"{where} at {before.candidate.get('percent')} %"
        )
