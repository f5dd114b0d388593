"""What one reconcile has gathered, before anything is decided or written: values only.

Nothing here is asked for again later in the pass; every resourceVersion is the one read here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Crash, Status
from serin_core.contract.documents import RoutingDocument
from serin_core.contract.pod_report import PodReport
from serin_core.counting import Reading, Unreadable

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """The SuggestionModel as it was read. `status` is None on an object that has none yet."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    spec: SuggestionModelSpec
    status: Status | None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A pod that did not say what it serves, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class PodSeen:
    """One pod of this resource's uid, as the API server and the pod itself show it."""

    name: str
    uid: str
    template: str
    runs: tuple[str, ...]
    report: PodReport | NoAnswer
    ready: bool = False
    deleting: bool = False
    started: bool = True
    """Whether its server container has ever run: one that has not cannot serve anything."""
    running_since: datetime | None = None
    """When its server container last started; None while it does not run."""
    announced: str | None = None
    """The revision that its annotation names, as it stands there: people can write there too."""
    poke: str = ""
    crashes: tuple[Crash, ...] = ()
    problem: str = ""
    """Why it is not ready, in Kubernetes' own words; "" where nothing is wrong."""


@dataclass(frozen=True, slots=True)
class RoutingSeen:
    """The routing ConfigMap as it was read. `document` is None where its text does not parse."""

    resource_version: str
    document: RoutingDocument | None
    is_ours: bool = True
    """Whether this resource's uid owns it; the one of a deleted namesake is waited out."""
    editors: tuple[str, ...] = ()
    """Field managers other than the operator that own its data."""


@dataclass(frozen=True, slots=True)
class ChildSeen:
    """Any other child as it was read, whole."""

    live: Json
    is_ours: bool
    """Whether this resource's uid owns it; one that belongs to somebody else is never written."""

    @property
    def resource_version(self) -> str:
        """Answer its resourceVersion."""
        return str(self.live["metadata"]["resourceVersion"])


@dataclass(frozen=True, slots=True)
class RulesText:
    """The rules that the template carries: their text, "" for none."""

    text: str


@dataclass(frozen=True, slots=True)
class RulesMissing:
    """The rules cannot be read, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class ServerImage:
    """The image of the server pods, as the operator's configuration settles it."""

    reference: str
    pull_policy: str = "IfNotPresent"
    refusal: str = ""
    """Why spec.server.image is not allowed; "" where it is."""
    public_key: str = ""
    """PEM keys of which one must have signed a run; "": runs need no signature."""


NOT_ASKED = Unreadable("NotAsked", "no stage is being judged")


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that a decision may rest on."""

    image: ServerImage
    rules: RulesText | RulesMissing = field(default_factory=lambda: RulesText(""))
    routing: RoutingSeen | None = None
    children: Mapping[tuple[str, str], ChildSeen] = field(default_factory=dict)
    """By (kind, name): every child of this resource's name or uid that exists."""
    pods: tuple[PodSeen, ...] = ()
    reading: Reading = NOT_ASKED
    problem: str = ""
    """Why pods cannot be made at all (a quota, for example), in Kubernetes' own words; "" where they can."""
    refusals: tuple[str, ...] = ()
    """What the API server refused to write in the last pass, in its own words."""
