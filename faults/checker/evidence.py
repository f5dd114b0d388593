"""Evidence: the counts in status and in records are those that the servers' own logs give, at some scrape."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from faults.checker.timeline import Timeline, Version
from faults.checker.violation import Violation

Json = dict[str, Any]
Pair = tuple[float, float]
_DIGITS = 0.05
_MAX_SUMS = 20_000
_BOTH = ("canary", "control")
_LOG_OF = {
    "availability": (("available",), ("available", "unavailable")),
    "errors": (("available",), ("available",)),
    "latency": (("available",), ("available",)),
    "agreement": (("users_agree",), ("users_agree", "users_differ")),
    "acceptedRatio": (("shown",), ("shown", "hidden")),
    "lowConfidence": (("low",), ("available",)),
}
_WITHOUT_FAILED = {"errors": (1, 0), "lowConfidence": (0, 1)}
"""Gates in which failed predictions are taken off good or total."""


def violations(timeline: Timeline) -> Iterator[Violation]:
    """Yield all evidence that the logs do not have."""
    logs = _Logs()
    versions = {one.number: (uid, one) for uid, of in timeline.versions.items() for one in of}
    known: dict[str, Json] = {}
    counted: dict[str, list[Json]] = {}
    for record in timeline.records:
        logs.note(record)
        uid, version = versions.get(record["number"], ("", None))
        if version is None or not version.candidate.get("stage"):
            continue
        checkpoint, gates = version.status.get("checkpoint") or {}, version.status.get("gates") or []
        if checkpoint and checkpoint != known.get(uid):
            known[uid] = checkpoint
            yield from _checkpoint(logs, uid, version, checkpoint)
        if gates and gates != counted.get(uid):
            counted[uid] = gates
            yield from _gates(logs, uid, version, checkpoint.get("counts", {}))
    yield from _records(logs, timeline)


def _checkpoint(logs: "_Logs", uid: str, version: Version, checkpoint: Json) -> Iterator[Violation]:
    stage, is_shadow = _stage(uid, version)
    for key, by_process in checkpoint.get("counts", {}).items():
        gate = key.partition("/")[0]
        for process, counts in by_process.items():
            pair = (counts["good"], counts["total"])
            if process == "ended" or pair == (0, 0) or (gate not in _LOG_OF and gate != "feedback"):
                continue
            if pair not in logs.pairs((*stage, process), key, is_shadow=is_shadow):
                message = f"{uid}, stage {stage[-1]}: {key} of {process} is {pair}; {logs.near(stage, process)}"
                yield Violation("evidence is what the servers have counted", version.at, message)


def _gates(logs: "_Logs", uid: str, version: Version, kept: Json) -> Iterator[Violation]:
    """Yield each gate whose counts are not the sum of what scrapes of all processes have shown."""
    stage, is_shadow = _stage(uid, version)
    processes = [key[-1] for key in logs.scraped if key[:-1] == stage]
    for gate in version.status["gates"]:
        name, total = gate["name"], gate.get("total")
        if name not in _LOG_OF or not total:
            continue
        shown = []
        for process in processes:
            least = (kept.get(name, {}).get(process) or {}).get("total", 0)
            pairs = {(0.0, 0.0), *logs.pairs((*stage, process), name, is_shadow=is_shadow)}
            shown.append({pair for pair in pairs if pair[1] >= least})
        # Users are divided by the number of processes that count them (gates.md).
        for part in range(1, len(processes) + 1) if name == "agreement" else (1,):
            if _is_sum(_whole(gate["good"] * part, total * part), shown):
                break
        else:
            message = f"{uid}, stage {stage[-1]}: {name} is {gate['good']} of {total}, of {len(processes)} processes"
            yield Violation("a gate has the counts of all processes", version.at, message)


def _whole(good: float, total: float) -> Pair:
    """Return counts that were divided, and written with some digits, as whole numbers; as they are if they are none."""
    whole = round(good), round(total)
    return whole if abs(good - whole[0]) < _DIGITS and abs(total - whole[1]) < _DIGITS else (good, total)


def _stage(uid: str, version: Version) -> tuple[tuple[Any, ...], bool]:
    """Return what the counts of the current stage are labelled with, and whether it is the shadow."""
    candidate = version.candidate
    return (uid, candidate["runID"], candidate["stage"]), candidate.get("percent", 0) == 0


def _is_sum(wanted: Pair, shown: list[set[Pair]]) -> bool:
    """Return whether one pair of each set adds up to `wanted`; also where there are too many ways to tell."""
    reached = {(0.0, 0.0)}
    for pairs in shown:
        sums = ((good + more[0], total + more[1]) for good, total in reached for more in pairs)
        reached = {one for one in sums if one[0] <= wanted[0] and one[1] <= wanted[1]}
        if len(reached) > _MAX_SUMS:
            return True
    return wanted in reached


def _records(logs: "_Logs", timeline: Timeline) -> Iterator[Violation]:
    for name, record in timeline.trials.items():
        for one in record.get("transitions", []):
            is_shadow = one.get("percentBefore", 0) == 0
            stage = (record["uid"], record.get("runID", ""), one.get("stage"))
            for gate in one.get("gates", []):
                total = gate.get("total")
                if total is None or gate["name"] not in _LOG_OF:
                    continue
                if total > (most := logs.most(stage, gate["name"], is_shadow=is_shadow)):
                    message = (
                        f"{name}, {one['event']}: {gate['name']} of {total:g}, and the servers have counted {most:g}"
                    )
                    yield Violation("records are what the servers have counted", 0.0, message)


@dataclass
class _Logs:
    """What each process has counted in each stage, and what each of its scrapes has shown."""

    now: dict[tuple[Any, ...], dict[str, Counter[str]]] = field(
        default_factory=lambda: defaultdict(lambda: {arm: Counter() for arm in _BOTH})
    )
    """By uid, run, stage and process, then by arm."""
    scraped: dict[tuple[Any, ...], list[dict[str, Counter[str]]]] = field(default_factory=lambda: defaultdict(list))
    stages: dict[str, set[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(set))
    """The stages that a process has counted in."""

    def note(self, record: Json) -> None:
        """Take in what a process has answered, or that it was scraped."""
        match record["kind"]:
            case "answered":
                key = (record["uid"], record["run"], record["stage"], record["process"])
                self.stages[record["process"]].add(key)
                for arm, counts in record["arms"].items():
                    self.now[key][arm].update(counts)
            case "accepted":
                key = (record["uid"], record["run"], record["stage"], record["process"])
                self.now[key][record["arm"]]["accepted"] += 1
            case "scraped":
                for key in self.stages[record["process"]]:
                    self.scraped[key].append({arm: counts.copy() for arm, counts in self.now[key].items()})

    def pairs(self, place: tuple[Any, ...], key: str, *, is_shadow: bool) -> set[Pair]:
        """Return good and total of a gate as a process has shown them in its scrapes; it is the last of `place`."""
        return {_counts(key, one, is_shadow=is_shadow) for one in self.scraped.get(place, ())}

    def near(self, stage: tuple[Any, ...], process: str) -> str:
        """Return the last scrapes, for a message."""
        return f"last scraped {self.scraped.get((*stage, process), [])[-2:]}"

    def most(self, stage: tuple[Any, ...], gate: str, *, is_shadow: bool) -> float:
        """Return the total of a gate at the end, of all processes."""
        found = (counts for key, counts in self.now.items() if key[:3] == stage)
        return sum(_counts(gate, counts, is_shadow=is_shadow)[1] for counts in found)


def _counts(key: str, by_arm: dict[str, Counter[str]], *, is_shadow: bool) -> Pair:
    gate, _, part = key.partition("/")
    if gate == "feedback":
        accepted = by_arm[part]["accepted"]
        return accepted, accepted
    arms = _BOTH if is_shadow or gate == "agreement" else ("canary",)
    good, total = ([sum(by_arm[arm][name] for arm in arms for name in names)] for names in _LOG_OF[gate])
    off = _WITHOUT_FAILED.get(gate, (0, 0))
    failed = sum(by_arm[arm]["failed"] for arm in arms)
    return good[0] - off[0] * failed, total[0] - off[1] * failed
