"""Parts of the model: pods, operators, and the protocol with rules that can be removed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from serin_core.api.resource import Resource
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Crash
from serin_core.contract import names
from serin_core.contract.documents import ModelDocument, RoutingDocument
from serin_core.contract.routing import Ignored, Route, admit, announced_by, is_unsupervised, route
from serin_core.kubernetes import pod_template
from serin_core.rollout.check_questions import CheckAnswer
from serin_core.rollout.checks import CheckCall
from serin_core.rollout.decide import Decision
from serin_core.rollout.freshness import needs_direct_reads
from serin_core.rollout.observation import ChildSeen, NodeState, RoutingSeen, is_adoptable
from serin_core.rollout.protocol import PROTOCOL, Protocol, routing_to_push
from serin_core.rollout.table import TABLE, Row
from serin_core.rollout.unwritten_counts import Kept
from serin_core.rollout.writes import Write

if TYPE_CHECKING:
    from models.caches import View

START = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "categories"
STABLE_PATIENCE = timedelta(minutes=5)
"""How long a server that cannot load the stable run is not ready (docs/contracts.md, rule 5)."""


class Broken(AssertionError):  # noqa: N818 - what the tests expect, not an error of the model
    """An invariant does not hold."""


class Conflict(Exception):  # noqa: N818 - the API server's own term
    """A write carried a resourceVersion that is not the present one."""


@dataclass(frozen=True)
class ProtocolRules:
    """The protocol, rule by rule; each field can be replaced to remove one."""

    protocol: Protocol = PROTOCOL
    admit: Callable[..., Ignored | None] = admit
    route: Callable[..., Route] = route
    adopts: Callable[..., bool] = is_adoptable
    order: Callable[[tuple[Write, ...]], tuple[Write, ...]] = lambda writes: writes
    keeps: Callable[[Write], bool] = lambda _write: True
    checks_versions: bool = True
    table: tuple[Row, ...] = TABLE
    pushable: Callable[..., RoutingDocument | None] = routing_to_push
    checks_signatures: bool = True
    announces_pushed: bool = True
    """Whether a push counts as an announcement of its own revision."""
    needs_direct_reads: Callable[..., bool] = needs_direct_reads
    keeps_seen: bool = True
    """Whether the highest revision seen outlives the container (an emptyDir)."""
    keeps_heard: bool = True
    """Whether the time at which the operator was heard outlives the container (an emptyDir)."""


@dataclass
class Pod:
    """One pod: its API object, its kubelet's view, and its process."""

    name: str
    uid: str
    owner: str
    template: dict[str, Any]
    model: str
    version: int
    annotations: dict[str, str] = field(default_factory=dict)
    deleting: bool = False
    mount: str | None = None
    annotated: int | None = None
    """The revision in its annotation, as its kubelet has mounted it."""
    pushed: str | None = None
    """Kept on the emptyDir: the last routing that it took from an operator."""
    is_older: bool = False
    """Its server knows no pushes."""
    mounted_model: ModelDocument | None = None
    seen: int = 0
    """Kept on the emptyDir: the highest revision ever served."""
    running: bool = False
    document: RoutingDocument | None = None
    loaded: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    """Not in the registry when last read; they are read again."""
    restarts: int = 0
    crashes: list[Crash] = field(default_factory=list)
    is_stuck: bool = False
    """Its kubelet never refreshes the volume."""
    is_cut_off: bool = False
    """Its report cannot be read by the operator."""
    is_lost: bool = False
    """Its node is away: the kubelet does nothing, nobody reaches the pod, and it may or may not run on."""
    node_state: NodeState = NodeState.UNKNOWN
    gone_by: datetime | None = None
    started_at: datetime = START
    heard: datetime | None = None
    """Kept on the emptyDir: when the operator asked for the status, or when the pod started."""
    lapsed: float = 0.0
    """Seconds without the candidate for want of an operator."""
    started_from: int = -1
    """The revision in the mount when the process started."""

    def unheard(self, now: datetime) -> float:
        """Return the seconds since an operator asked for the status, or since the start of a pod."""
        return 0.0 if self.heard is None else (now - self.heard).total_seconds()

    def hear(self, now: datetime) -> None:
        """An operator asks for the status."""
        candidate = None if self.document is None else self.document.candidate
        limit = None if candidate is None else candidate.supervision_seconds
        if (
            limit is not None
            and self.document is not None
            and is_unsupervised(self.document, unheard=self.unheard(now))
        ):
            self.lapsed += self.unheard(now) - limit
        self.heard = now

    @property
    def key(self) -> str:
        """The key by which routing must be signed that is sent to it, "" if it takes none."""
        return "" if self.is_older else pod_template.routing_key(self.template["spec"])

    @property
    def announced(self) -> int | None:
        """The highest revision that an operator has announced to it."""
        pushed = None if self.pushed is None else RoutingDocument.parse(self.pushed).revision
        return announced_by(self.annotated, pushed=pushed)

    @property
    def template_hash(self) -> str:
        return str(self.template["metadata"]["annotations"][names.ANNOTATION_TEMPLATE])

    def is_ready(self, now: datetime) -> bool:
        """Return what the server's /readyz returns: it waits five minutes for a stable run that it cannot load."""
        if not self.running or self.is_lost or self.document is None or self.mounted_model is None:
            return False
        settled = all(run.run in {*self.loaded, *self.refused, *self.absent} for run in self.mounted_model.runs)
        return settled and (self.serves_stable or now - self.started_at >= STABLE_PATIENCE)

    @property
    def serves_stable(self) -> bool:
        """Whether the stable run of its routing, if there is one, is loaded here."""
        stable = None if self.document is None else self.document.stable
        return stable is None or self.loaded.get(stable.run) == stable.digest


@dataclass
class Operator:
    """One operator process: what it gathered, and the writes that are left."""

    name: str
    resource: Resource | None = None
    children: dict[tuple[str, str], ChildSeen] = field(default_factory=dict)
    routing: RoutingSeen | None = None
    rules: str = ""
    pods: list[Pod] | None = None
    """Pods as its cache has them; None where they are read directly."""
    view: "View | None" = None
    """What its cache holds; None before a first list."""
    pending: list[Write] = field(default_factory=list)
    decision: Decision | None = None
    kept: Kept | None = None
    """Its newest status, where it has newer counts than the cluster."""
    in_flight: list[CheckCall] = field(default_factory=list)
    """Requests to check endpoints without an answer yet."""
    answers: list[CheckAnswer] = field(default_factory=list)
    """All answers that it ever got: it hands them to every decision, late and repeated ones too."""
    truth: dict[str, Any] = field(default_factory=dict)


def spec(run: str, **changes: Any) -> SuggestionModelSpec:
    """Return a spec with short soaks; `changes` are merged at the top level."""
    body: dict[str, Any] = {
        "runID": run,
        "server": {"replicas": 2, "token": {"secretName": "token"}},
        "canary": {
            "shadowSoak": "1s",
            "steps": [{"percent": 10, "soak": "1s"}, {"percent": 50, "soak": "1s"}, {"percent": 100, "soak": "1s"}],
        },
        "analysis": {"interval": "1s"},
    }
    return SuggestionModelSpec.model_validate(body | changes)


def without(**changes: Any) -> ProtocolRules:
    """Return the protocol with some of its predicates replaced."""
    return ProtocolRules(protocol=replace(PROTOCOL, **changes))
