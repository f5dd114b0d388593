"""The Kubernetes API, Prometheus and the server pods, as three small Protocols. Tests fake these and nothing else.

Errors of the Kubernetes API:

    ClusterError
    ├── NotFoundError     the object does not exist
    ├── GoneError         a watch, or the rest of a list, is of a version that the API server does not keep any more
    ├── ConflictError     it has changed since it was read (409, or a failed test of a JSON patch)
    ├── RefusedError      the API server or admission rejects the request; the message is its own
    │   └── TooLargeError     because the object is too large for it, or for etcd
    ├── BusyError         it is overloaded, or an eviction is not granted now (429)
    └── NotLeaderError    a write that was not sent, because another operator may lead
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from serin_core.api.base import Json
from serin_core.contract import names
from serin_core.contract.pod_report import PodReport
from serin_core.contract.pushed_routing import PushedRouting
from serin_core.counting.custom_counters import Samples
from serin_core.counting.reading import Unreadable
from serin_core.counting.stage_query import Series
from serin_core.rollout.observation import NoAnswer


class ClusterError(Exception):
    """A request to the API server that failed."""


class NotFoundError(ClusterError):
    """The object does not exist."""


class GoneError(ClusterError):
    """A list and its watch have to begin again."""


class ConflictError(ClusterError):
    """The object has changed since it was read."""


class RefusedError(ClusterError):
    """The API server rejects the request."""


class TooLargeError(RefusedError):
    """The object is too large for the API server or for etcd."""


class BusyError(ClusterError):
    """The API server asks to retry later, after `retry_after` seconds if it is not 0."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotLeaderError(ClusterError):
    """A write that was not sent, because another operator may lead."""


class Kubernetes(Protocol):
    """The API server. Objects are plain JSON; every method raises ClusterError."""

    async def get(self, kind: str, namespace: str, name: str) -> Json:
        """Read one object. Raises NotFoundError."""

    async def list(self, kind: str, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        """Read all objects of a kind with these labels."""

    async def list_events(self, namespace: str, uid: str) -> Sequence[Json]:
        """Read the Events about the object with this uid; () if the operator may not."""

    async def get_node(self, name: str) -> Json | None:
        """Read a node; None if the operator may not. Raises NotFoundError."""

    async def serves(self, api_version: str, plural: str) -> bool:
        """Return whether the API server serves a kind, by its group, version and plural."""

    async def create(self, rendered: Json) -> Json:
        """Create an object, owned for server-side apply, and return it. Raises ConflictError if it exists."""

    async def post_event(self, rendered: Json) -> None:
        """Create an Event of events.k8s.io/v1. Raises ConflictError if it exists."""

    async def repeat_event(self, namespace: str, name: str, series: Json) -> None:
        """Set the series of an Event: how often it has been repeated. Raises NotFoundError."""

    async def apply(self, rendered: Json, resource_version: str) -> Json:
        """Apply over the version that was read, and return the object; unless admission changed it, `diff.holds`.

        Raises ConflictError if it has changed since.
        """

    async def put_status(self, namespace: str, name: str, status: Json, resource_version: str) -> Json:
        """Replace a SuggestionModel's status, and return the object. Raises ConflictError if its version is another."""

    async def annotate_pod(
        self, namespace: str, name: str, *, uid: str, expected: tuple[str, str | None], annotations: Mapping[str, str]
    ) -> Json:
        """Set annotations on a pod, and return it.

        Raises ConflictError unless its uid and its annotation `expected` are these.
        """

    async def delete(
        self, kind: str, namespace: str, name: str, *, resource_version: str | None, uid: str | None
    ) -> None:
        """Delete an object. Raises ConflictError if it is not the one that was read any more."""

    async def delete_lost_pod(self, namespace: str, name: str, uid: str) -> None:
        """Delete a pod at once, whether or not its node has ended it. Raises ConflictError for another uid."""

    async def evict(self, namespace: str, name: str) -> None:
        """Evict a pod. Raises BusyError where a PodDisruptionBudget does not allow it now."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Objects that are listed and watched together."""

    kind: str
    namespace: str = ""
    """Their namespace, "" for all."""
    labels: str = ""
    """A label selector; "" for all."""
    is_metadata_only: bool = False
    """Whether nothing but their metadata is read."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    items: Sequence[Json]
    version: str
    """The resourceVersion of the whole list."""
    rest: str = ""
    """What to ask for the next page with, "" after the last one."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """A change of an object, or a bookmark."""

    type: str
    """ADDED, MODIFIED, DELETED or BOOKMARK."""
    object: Json


class Watchable(Protocol):
    """The API server, as informers use it. Both methods raise ClusterError, and GoneError where they come too late."""

    async def list_page(self, what: Selection, rest: str = "") -> Page:
        """Read one page of the selected objects."""

    def watch(self, what: Selection, version: str) -> AsyncGenerator[WatchEvent, None]:
        """Yield the changes since a resourceVersion, until the API server ends the watch."""


class Prometheus(Protocol):
    """One or more Prometheus endpoints. A result that is not complete and plain data is Unreadable, never an error."""

    async def read(self, endpoint: str, query: str, *, limit: int | None = None) -> list[Series] | Unreadable:
        """Run an instant query at the current time of Prometheus.

        A result of more than `limit` series is Unreadable, where the endpoint can limit it.
        """

    async def read_number(self, endpoint: str, query: str) -> float | Unreadable:
        """Run an instant query that is to return one number."""

    async def read_samples(self, endpoint: str, query: str, at: float) -> list[Samples] | Unreadable:
        """Return the raw samples that a range selector matches at a Unix time."""


@dataclass(frozen=True, slots=True)
class PodQuestion:
    """Where a pod is asked for its report, and on behalf of which resource."""

    address: str
    """An IP address."""
    scheme: str
    """http or https."""
    uid: str
    """Uid of the resource. A pod of it takes the request as a sign that an operator watches it."""
    port: int = names.SERVER_PORT
    known_digests: tuple[str, ...] = ()
    """Runs whose quality the operator has: the pod may leave it out of the report."""
    push: PushedRouting | None = None
    """Routing that it is sent with the request, None for none."""
    key_id: str = ""
    """Id of the key by which `push` is signed."""


class Pods(Protocol):
    """The endpoints of the server pods for status and routing."""

    async def fetch_report(self, question: PodQuestion) -> PodReport | NoAnswer:
        """Return what a pod serves, without the quality of runs that it left out; raises nothing but TimeoutError.

        A pod that does not accept `push` is asked without it.
        """
