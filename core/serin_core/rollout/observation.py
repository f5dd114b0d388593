"""The observation of one reconcile, gathered before anything is decided or written: values only.

Nothing is read again later in the pass; writes carry the resourceVersions from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from serin_core.api.base import Json
from serin_core.api.status import Crash
from serin_core.contract import names
from serin_core.contract.documents import RoutingDocument
from serin_core.contract.pod_report import PodReport, RunOnPod
from serin_core.counting.inputs import InputsSeen
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import Reading
from serin_core.kubernetes.diff import Difference
from serin_core.kubernetes.inputs import PodMonitorSettings, RulesMissing, RulesText, ServerImage
from serin_core.rollout.check_questions import CheckAnswer
from serin_core.rollout.destinations import DestinationsSeen
from serin_core.rollout.holds import Freeze


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A pod whose report could not be read, and why."""

    reason: str


class NodeState(StrEnum):
    """State of a pod's node, in the words of a message."""

    UNKNOWN = "unknown"
    """It was not read: the pod has no problem, or the operator may not read nodes."""
    READY = "ready"
    NOT_READY = "not ready"
    OUT_OF_SERVICE = "out of service"
    """Somebody has declared it so, by the taint node.kubernetes.io/out-of-service."""
    DELETED = "deleted"

    @property
    def is_away(self) -> bool:
        """Whether its kubelet is known not to act."""
        return self in (NodeState.NOT_READY, NodeState.OUT_OF_SERVICE, NodeState.DELETED)


@dataclass(frozen=True, slots=True)
class PodSeen:
    """One pod of this resource, as reported by the API server and by the pod itself."""

    name: str
    uid: str
    template: str
    runs: tuple[str, ...]
    report: PodReport | NoAnswer
    ready: bool = False
    deleting: bool = False
    started: bool = True
    """Whether its server container has ever run; before that it cannot serve anything."""
    running_since: datetime | None = None
    """Start of its server container; None while it does not run."""
    announced: str | None = None
    """The revision in its annotation, verbatim: users can write there too."""
    poke: str = ""
    is_pushed: bool = False
    """Whether it took the routing from the operator itself when it was asked for the report (rule 18)."""
    crashes: tuple[Crash, ...] = ()
    node: str = ""
    """Name of its node, "" while it has none."""
    address: str = ""
    node_state: NodeState = NodeState.UNKNOWN
    gone_by: datetime | None = None
    """End of its grace period while it is terminating, else None."""
    problem: str = ""
    """Why it is not ready, as reported by Kubernetes; "" if nothing is wrong."""

    def run(self, run_id: str) -> RunOnPod | None:
        """Return what the pod itself reports about a run; None without an answer, or without the run."""
        return self.report.run(run_id) if isinstance(self.report, PodReport) else None


@dataclass(frozen=True, slots=True)
class RoutingSeen:
    """The routing ConfigMap as it was read. `document` is None if its text cannot be parsed."""

    resource_version: str
    document: RoutingDocument | None
    is_ours: bool = True
    """Whether this resource owns it, or may adopt it; the one of a deleted namesake must be deleted first."""
    has_owner: bool = True
    """Whether it has an owner reference; one without is adopted, if it was written for this resource."""
    editors: tuple[str, ...] = ()
    """Other field managers than the operator that own its data."""


@dataclass(frozen=True, slots=True)
class ChildSeen:
    """Any other child as it was read."""

    live: Json
    is_ours: bool
    """Whether this resource owns it; a child of someone else is never written."""

    @property
    def resource_version(self) -> str:
        """The resourceVersion that was read."""
        return str(self.live["metadata"]["resourceVersion"])


@dataclass(frozen=True, slots=True)
class Override:
    """A child that admission (a webhook or a policy) changed when it was applied."""

    child: str
    """Kind and name."""
    differences: tuple[Difference, ...]


def is_owned_by(live: Json, uid: str) -> bool:
    """Return whether an object has the resource of this uid among its owners."""
    return any(owner["uid"] == uid for owner in live["metadata"].get("ownerReferences") or [])


def is_adoptable(live: Json, uid: str, document: RoutingDocument | None) -> bool:
    """Return whether a routing has lost its owner, the resource of this uid: by `kubectl replace` or from a backup.

    One that has any owner is never adopted, nor one without a sign of this uid in its label or its document.
    """
    metadata = live["metadata"]
    is_labelled = (metadata.get("labels") or {}).get(names.LABEL_UID) == uid
    return not metadata.get("ownerReferences") and (is_labelled or (document is not None and document.uid == uid))


NOT_ASKED = Unreadable("NotAsked", "no stage has started")
NOT_READ = Unreadable("NotAsked", "Prometheus has not returned the first counts of this stage yet")


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that a decision may depend on."""

    image: ServerImage
    rules: RulesText | RulesMissing = field(default_factory=lambda: RulesText(""))
    routing: RoutingSeen | None = None
    children: Mapping[tuple[str, str], ChildSeen] = field(default_factory=dict)
    """By (kind, name): every existing child of this resource's name or uid."""
    pods: tuple[PodSeen, ...] = ()
    reading: Reading = NOT_ASKED
    has_new_reading: bool = True
    """Whether nothing has been decided on `reading` yet; without, it is only what was known before."""
    inputs: InputsSeen | None = None
    """What the serving run was asked lately, as last read; None if that is not known."""
    check_answers: tuple[CheckAnswer, ...] = ()
    """Results of requests to check endpoints, also late and repeated ones."""
    check_endpoints: frozenset[str] | None = None
    """Names of the check endpoints in the operator's configuration; None if that is not known."""
    queries: Mapping[str, float | Unreadable] = field(default_factory=dict)
    """Results of the query gates of the current stage, by their names."""
    problem: str = ""
    """Why no pods can be created (a quota, for example), as reported by Kubernetes; "" if they can."""
    refusals: tuple[str, ...] = ()
    """Messages of the API server about requests that it refuses; they are tried again after a while."""
    status_refusal: str = ""
    """Why the API server refused the whole status as too large, a while ago at most; "" if it did not."""
    overrides: tuple[Override, ...] = ()
    """Children that stay different from what was applied; they are not applied again for the same difference."""
    destinations: DestinationsSeen = field(default_factory=DestinationsSeen)
    """Destinations of notifications, and what was delivered to them."""
    pod_monitor: PodMonitorSettings | None = None
    """How a PodMonitor is rendered; None if there is to be none."""
    freezes: tuple[Freeze, ...] = ()
    """Times of the operator's configuration in which no step begins."""
