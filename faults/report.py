"""What storms have shown: the figures of one, and files of them."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from faults.checker import Violation
from faults.history import read


@dataclass
class Summary:
    """The figures of one storm."""

    seed: int = 0
    replicas: int = 0
    models: int = 0
    pods: int = 0
    seconds: float = 0.0
    elects: bool = True
    faults: dict[str, int] = field(default_factory=dict)
    """By kind and fault, how often it was begun."""
    hits: dict[str, int] = field(default_factory=dict)
    """By fault of a proxy, the requests and events that it has concerned."""
    stages: dict[str, int] = field(default_factory=dict)
    """By fault of Prometheus and stage, how often a rollout was in that stage when it was begun."""
    rollouts: int = 0
    events: dict[str, int] = field(default_factory=dict)
    """Transitions, by event."""
    answers: int = 0
    statuses: int = 0
    documents: int = 0
    scrapes: int = 0
    requests: int = 0
    notifications: int = 0
    repeated: int = 0
    violations: dict[str, int] = field(default_factory=dict)
    """By promise."""

    def text(self) -> str:
        """Return a few lines for a terminal."""
        kinds: Counter[str] = Counter()
        for name, number in self.faults.items():
            kinds[name.partition(": ")[0]] += number
        ends = ", ".join(f"{number} {event}" for event, number in sorted(self.events.items()))
        broken = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        return (
            f"seed {self.seed}: {sum(kinds.values())} faults ({broken})\n"
            f"{self.rollouts} rollouts named: {ends}\n"
            f"checked: {self.answers} answers, {self.statuses} states, {self.documents} routing documents, "
            f"{self.scrapes} scrapes, {self.requests} requests, {self.notifications} notifications"
        )


def summary_of(file: Path, violations: Iterable[Violation] = ()) -> Summary:
    """Return the figures of a history."""
    found, faults, hits, events = Summary(), Counter[str](), Counter[str](), Counter[str]()
    stages = Counter[str]()
    ids: set[str] = set()
    for record in read(file):
        match record["kind"]:
            case "plan":
                for name in ("seed", "replicas", "models", "pods", "seconds", "elects"):
                    setattr(found, name, record.get(name, True))
            case "fault":
                faults[f"{record['of']}: {record['what']}"] += 1
                stages.update(f"{record['what']}: {stage}" for stage in record.get("stages", ()))
            case "settled":
                for front, of in record["hits"].items():
                    of_what = "Prometheus" if front == "prometheus" else "API server"
                    hits.update({f"{of_what}: {fault}": number for fault, number in of.items()})
            case "wanted":
                found.rollouts += 1
            case "answered":
                found.answers += record["asked"]
            case "scraped":
                found.scrapes += 1
            case "requested":
                found.requests += 1
            case "notified":
                if record["id"] in ids:
                    found.repeated += 1
                else:
                    events[record["data"]["kind"]] += 1
                ids.add(record["id"])
                found.notifications += 1
            case "object":
                found.statuses += record["of"] == "suggestionmodels"
                found.documents += record["object"]["metadata"]["name"].endswith("-routing")
    found.faults, found.hits, found.events = dict(faults), dict(hits), dict(events)
    found.stages = dict(stages)
    found.violations = dict(Counter(one.promise for one in violations))
    return found


def save(summary: Summary, folder: Path) -> Path:
    """Write the figures of a storm into a folder, and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{summary.seed}.json"
    file.write_text(json.dumps(asdict(summary), indent=1) + "\n", encoding="utf-8")
    return file


def load(folder: Path) -> list[Summary]:
    """Return the figures of all storms in a folder, by seed."""
    found = (Summary(**json.loads(file.read_text(encoding="utf-8"))) for file in folder.glob("*.json"))
    return sorted(found, key=lambda one: one.seed)


def total(parts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Return the sum of several counts."""
    found: Counter[str] = Counter()
    for one in parts:
        found.update(one)
    return found
