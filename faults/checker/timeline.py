"""The records of a history, sorted by what they are about."""

import base64
import hashlib
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(slots=True)
class Version:
    """One state of a SuggestionModel that the API server had."""

    at: float
    number: int
    """Number of the record."""
    spec: Json
    annotations: Json
    status: Json
    """What is packed into status.operatorState; {} before the first decision."""

    @property
    def candidate(self) -> Json:
        """The candidate, {} without one."""
        return self.status.get("candidate") or {}

    @property
    def stable(self) -> str:
        """The stable run, "" without one."""
        return str((self.status.get("stable") or {}).get("runID", ""))

    @property
    def propagation(self) -> Json:
        """The routing that was decided."""
        return self.status.get("propagation") or {}

    @property
    def history(self) -> list[Json]:
        """The last transitions."""
        return self.status.get("history") or []


@dataclass(slots=True)
class Document:
    """One content of a routing ConfigMap."""

    at: float
    number: int
    text: str
    content: Json | None
    """None if it is no document."""
    is_by_hand: bool

    @property
    def revision(self) -> int:
        """Its revision, -1 without one."""
        return -1 if self.content is None else int(self.content.get("revision", -1))

    @property
    def hash(self) -> str:
        """The sha256 of its text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(slots=True)
class Process:
    """One process of a server pod."""

    uid: str
    """Of the SuggestionModel."""
    pod: str
    process: str
    started: int
    """Number of the record of its start."""
    started_at: float
    ended: int | None = None
    applied: list[Json] = field(default_factory=list)
    reported: list[Json] = field(default_factory=list)

    def last(self, kind: str, before: int) -> Json:
        """Return the last `applied` or `reported` record before another one."""
        records: list[Json] = getattr(self, kind)
        return next((one for one in reversed(records) if one["number"] < before), {"revision": -1, "hash": ""})


@dataclass(slots=True)
class Timeline:
    """All records, and the same by resource, document and process."""

    records: list[Json] = field(default_factory=list)
    versions: dict[str, list[Version]] = field(default_factory=lambda: defaultdict(list))
    """By uid."""
    deleted: set[str] = field(default_factory=set)
    documents: dict[str, list[Document]] = field(default_factory=lambda: defaultdict(list))
    """By the uid of the SuggestionModel that owns the ConfigMap."""
    trials: dict[str, Json] = field(default_factory=dict)
    """The last content of each trial record, by the uid of its SuggestionModel and its number."""
    processes: dict[str, Process] = field(default_factory=dict)
    is_sound: dict[str, bool] = field(default_factory=dict)
    """By run."""

    @classmethod
    def of(cls, records: Iterable[Json]) -> "Timeline":
        """Sort the records."""
        found = cls()
        for number, record in enumerate(records):
            record["number"] = number
            found.records.append(record)
        edits = {(one["name"], one["version"]): one["text"] for one in found.kind("edited")}
        for record in found.records:
            match record["kind"]:
                case "object" if record["of"] == "suggestionmodels":
                    found._add_version(record)
                case "object" if record["of"] == "configmaps":
                    found._add_map(record, edits)
                case "started":
                    one = Process(record["uid"], record["pod"], record["process"], record["number"], record["t"])
                    found.processes[one.process] = one
                case "ended" if record["process"] in found.processes:
                    found.processes[record["process"]].ended = record["number"]
                case "applied" | "reported" as kind if record["process"] in found.processes:
                    getattr(found.processes[record["process"]], kind).append(record)
                case "wanted":
                    found.is_sound[record["run"]] = record["sound"]
        return found

    def kind(self, *kinds: str) -> Iterator[Json]:
        """Yield the records of some kinds."""
        return (one for one in self.records if one["kind"] in kinds)

    def document(self, uid: str, revision: int, digest: str) -> Document | None:
        """Return a document that the operator has written, None if it is not known."""
        for one in self.documents.get(uid, []):
            if one.revision == revision and one.hash == digest and not one.is_by_hand:
                return one
        return None

    def is_by_hand(self, uid: str, revision: int) -> bool:
        """Return whether somebody has written a document of this revision by hand."""
        return any(one.is_by_hand and one.revision == revision for one in self.documents.get(uid, []))

    def has_fault(self, of: str, since: float, until: float) -> bool:
        """Return whether a fault of a kind was on in a time."""
        return any(
            one["of"] == of and one["t"] <= until and one["t"] + one.get("seconds", 0) >= since
            for one in self.kind("fault")
        )

    def _add_version(self, record: Json) -> None:
        live = record["object"]
        uid = live["metadata"]["uid"]
        if record["type"] == "DELETED":
            self.deleted.add(uid)
            return
        known = self.versions[uid]
        status = _unpacked(live.get("status") or {})
        annotations = live["metadata"].get("annotations") or {}
        known.append(Version(record["t"], record["number"], live["spec"], annotations, status))

    def _add_map(self, record: Json, edits: dict[tuple[str, str], str]) -> None:
        metadata, data = record["object"]["metadata"], record["object"].get("data") or {}
        owner = next((one["uid"] for one in metadata.get("ownerReferences") or []), "")
        if record["type"] == "DELETED" or not owner:
            return
        if "trial.json" in data:
            self.trials[f"{owner} {metadata['name']}"] = json.loads(data["trial.json"])
            return
        text = data.get("routing.json", "")
        known = self.documents[owner]
        if known and known[-1].text == text:
            return
        name = metadata["name"].removesuffix("-routing")
        is_by_hand = edits.get((name, metadata["resourceVersion"])) == text
        known.append(Document(record["t"], record["number"], text, _parsed(text), is_by_hand))


def _unpacked(status: Json) -> Json:
    packed = status.get("operatorState")
    if packed is None:
        return {}
    return dict(json.loads(zlib.decompress(base64.b64decode(packed))))


def _parsed(text: str) -> Json | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def new_entries(before: list[Json], after: list[Json]) -> list[Json]:
    """Return the entries of a history that were added to it."""
    known = {(one["at"], one["event"], one.get("runID")) for one in before}
    return [one for one in after if (one["at"], one["event"], one.get("runID")) not in known]
