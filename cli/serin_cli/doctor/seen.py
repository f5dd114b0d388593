"""What the checks know of the cluster, as the API server returned it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from prometheus_client.samples import Sample

from serin_cli.doctor.results import Result, Unread
from serin_cli.resource import is_running, run_of
from serin_core.contract.pod_report import PodReport

Json = Mapping[str, Any]
Objects = Sequence[Json] | Unread
Samples = Sequence[Sample] | Unread


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a pod is ready, and what it told itself."""

    is_ready: bool
    """As the kubelet has found."""
    answer: str | Unread


@dataclass(frozen=True, slots=True)
class Installation:
    """The parts that all SuggestionModels share."""

    now: datetime
    version: str
    """Version of this program."""
    namespace: str
    """Namespace of the operator."""
    definition: Json | Unread | None
    """The CustomResourceDefinition; None if there is none."""
    deployments: Objects
    leases: Objects
    metrics: Mapping[str, Samples]
    """The metrics of each ready pod of the operator."""
    readiness: Mapping[str, Readiness]
    """What /readyz of each running pod of the operator returned."""
    rights: Mapping[str, bool | Unread]
    """Whether the user may do what commands do, by the name of the right."""


@dataclass(frozen=True, slots=True)
class Model:
    """One SuggestionModel and what belongs to it."""

    live: Json
    """With its whole status."""
    pods: Objects
    policies: Objects
    """NetworkPolicies of its namespace."""
    inputs: Mapping[str, bool | Unread]
    """Whether an object that the spec names exists, by path and kind: `spec.server.token: Secret tokens`."""
    metrics: Mapping[str, Samples] = field(default_factory=dict)
    """The metrics of each ready server pod."""
    reports: Mapping[str, PodReport | Unread] = field(default_factory=dict)
    """The report of each server pod that runs."""

    @property
    def subject(self) -> str:
        """namespace/name."""
        return f"{self.live['metadata']['namespace']}/{self.live['metadata']['name']}"

    @property
    def name(self) -> str:
        """Name of the SuggestionModel."""
        return str(self.live["metadata"]["name"])

    @property
    def run(self) -> str:
        """The candidate of a rollout that has not ended, else the stable run; "" without either."""
        return run_of(self.live, "candidate" if is_running(self.live) else "stable") or ""

    @property
    def spec(self) -> Json:
        """The spec."""
        return self.live.get("spec") or {}

    @property
    def status(self) -> Json:
        """The whole status, empty before the first check."""
        return self.live.get("status") or {}

    def told(self, results: Iterable[Result]) -> list[Result]:
        """Return results with this SuggestionModel as their subject."""
        return [replace(result, subject=self.subject) for result in results]
