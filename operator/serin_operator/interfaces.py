"""What the operator needs of the world outside, as three small Protocols. Tests stand in for these and nothing else.

Errors of the Kubernetes border:

    ClusterError
    ├── NotFoundError     the object is gone
    ├── ConflictError     it has changed since it was read (409, or a failed test of a JSON patch)
    ├── RefusedError      the API server will not have it; the message is its own
    └── BusyError         not now: it is overloaded, or an eviction is not granted (429)
"""

from collections.abc import Mapping
from typing import Protocol

from serin_core.contract.pod_report import PodReport
from serin_core.counting import Samples, Series, Unreadable
from serin_core.rollout.observation import Json, NoAnswer


class ClusterError(Exception):
    """The API server could not be asked, or did not do what it was asked."""


class NotFoundError(ClusterError):
    """The object is gone."""


class ConflictError(ClusterError):
    """The object has changed since it was read."""


class RefusedError(ClusterError):
    """The API server will not have it."""


class BusyError(ClusterError):
    """The API server asks to come again later."""


class Kubernetes(Protocol):
    """The API server: plain objects in, plain objects out. Every method raises ClusterError."""

    async def get(self, kind: str, namespace: str, name: str) -> Json:
        """Read one object. Raises NotFoundError."""

    async def list(self, kind: str, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        """Read all objects of a kind with these labels."""

    async def create(self, rendered: Json) -> None:
        """Make an object that is not there yet, owned for server-side apply. Raises ConflictError if it is."""

    async def post_event(self, rendered: Json) -> None:
        """Make an Event, which is never applied again. Raises ConflictError if it is there."""

    async def apply(self, rendered: Json, resource_version: str) -> None:
        """Apply over the version that was read, so that `drift.holds`. Raises ConflictError if it is another by now."""

    async def put_status(self, namespace: str, name: str, status: Json, resource_version: str) -> None:
        """Replace a SuggestionModel's status, if the object is still at this version."""

    async def annotate_pod(
        self, namespace: str, name: str, *, uid: str, expected: tuple[str, str | None], annotations: Mapping[str, str]
    ) -> None:
        """Set annotations on a pod of this uid whose annotation `expected[0]` is still `expected[1]`."""

    async def delete(
        self, kind: str, namespace: str, name: str, *, resource_version: str | None, uid: str | None
    ) -> None:
        """Delete an object, if it is still the one that was read."""

    async def evict(self, namespace: str, name: str) -> None:
        """Evict a pod. Raises BusyError where a PodDisruptionBudget does not grant it."""


class Metrics(Protocol):
    """One or more Prometheus endpoints. Whatever is not plain and whole data is Unreadable, never an exception."""

    async def read(self, endpoint: str, query: str) -> list[Series] | Unreadable:
        """Ask an instant query, at the time that Prometheus has."""

    async def read_samples(self, endpoint: str, query: str, at: float) -> list[Samples] | Unreadable:
        """Ask for raw samples up to a Unix time: a range selector, at that time."""


class Pods(Protocol):
    """The server pods themselves."""

    async def ask(self, address: str, port: int) -> PodReport | NoAnswer:
        """Ask a pod what it serves; never an exception."""
