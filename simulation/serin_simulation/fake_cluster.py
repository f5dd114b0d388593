"""As much of a cluster as a decision needs: pods that load what their template names and serve what the routing says.

Nothing fails here, and nothing is late except by a given delay: the protocol is explored in its own tests. Immutable:
applying the writes of `decide` returns another cluster.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from serin_core.api.resource import Resource
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Status
from serin_core.contract import names
from serin_core.contract.documents import RoutingDocument
from serin_core.contract.pod_report import ClassCoverage, Coverage, LoadState, PodReport, RunOnPod, RunQuality
from serin_core.counting.server_counters import Reading
from serin_core.kubernetes.inputs import ServerImage
from serin_core.rollout.decide import Decision
from serin_core.rollout.observation import NOT_ASKED, Observed, PodSeen, RoutingSeen
from serin_core.rollout.writes import ApplyChild, CreateChild, PutStatus

DIGEST: Final = f"sha256:{0:064x}"
_UID: Final = "00000000-0000-0000-0000-000000000000"
_IMAGE: Final = ServerImage("serin-server")


@dataclass(frozen=True, slots=True)
class Cluster:
    """One SuggestionModel, its routing and its pods."""

    spec: SuggestionModelSpec
    promised: float
    """Share of answers over their thresholds that the run's report states."""
    status: Status | None = None
    routing: RoutingDocument | None = None
    template: str = ""
    runs: tuple[str, ...] = ()

    @property
    def resource(self) -> Resource:
        """Return the resource as the API server would."""
        return Resource(
            namespace="default",
            name="simulated",
            uid=_UID,
            generation=1,
            resource_version="1",
            spec=self.spec,
            status=self.status,
        )

    def observe(self, reading: Reading = NOT_ASKED) -> Observed:
        """Return what the operator would gather for one check. Every pod serves the present routing."""
        routing = None if self.routing is None else RoutingSeen(resource_version="1", document=self.routing)
        return Observed(image=_IMAGE, routing=routing, pods=self._pods(), reading=reading)

    def after(self, decision: Decision) -> "Cluster":
        """Return the cluster after all writes of a decision."""
        changed = self
        for write in decision.writes:
            match write:
                case PutStatus(status=status):
                    changed = replace(changed, status=status)
                case CreateChild(rendered=rendered) | ApplyChild(rendered=rendered):
                    changed = changed._with(rendered)  # noqa: SLF001 - same class
                case _:
                    continue
        return changed

    def _with(self, rendered: dict[str, object]) -> "Cluster":
        match rendered:
            case {"kind": "ConfigMap", "data": {names.ROUTING_KEY: str(text)}}:
                return replace(self, routing=RoutingDocument.parse(text))
            case {"kind": "Deployment", "spec": {"template": {"metadata": {"annotations": dict(annotations)}}}}:
                runs = tuple(filter(None, str(annotations[names.ANNOTATION_RUNS]).split(",")))
                return replace(self, template=str(annotations[names.ANNOTATION_TEMPLATE]), runs=runs)
            case _:
                return self

    def _pods(self) -> tuple[PodSeen, ...]:
        if not self.template or self.routing is None:
            return ()
        quality = RunQuality(f1_macro=1.0, f1_min=1.0, coverage={"all": self._coverage()})
        runs = tuple(
            RunOnPod(run=run, state=LoadState.LOADED, digest=self.spec.digest or DIGEST, quality=quality)
            for run in self.runs
        )
        report = PodReport(
            uid=_UID, process="simulated", revision=self.routing.revision, hash=self.routing.hash(), runs=runs
        )
        return (
            PodSeen(
                name="pod",
                uid="pod",
                template=self.template,
                runs=self.runs,
                report=report,
                ready=True,
                announced=str(self.routing.revision),
            ),
        )

    def _coverage(self) -> ClassCoverage:
        return ClassCoverage(share=1.0, by_threshold={"1.00": Coverage(coverage=self.promised, precision=1.0)})


def is_counting(status: Status | None) -> datetime | None:
    """Return when the current stage began to count, None if it has not."""
    rollout = None if status is None else status.rollout
    return None if rollout is None else rollout.stage_started_at
