"""Who sets the number of pods, and the HorizontalPodAutoscaler of spec.server.autoscaling. Pure.

Where the spec sets no number, the Deployment is applied without one, so that it belongs to whoever scales it. A
server-side apply that leaves out a field which it alone owned resets it, here to 1: until somebody else has set the
number, an apply repeats the one that it was decided on. Each apply carries a resourceVersion, so that none repeats a
number that has changed since.
"""

from collections.abc import Mapping
from typing import Any, Final

from serin_core.api.resource import Resource
from serin_core.contract import names
from serin_core.kubernetes.diff import owns

_REPLICAS: Final = ("spec", "replicas")


def replicas_to_apply(resource: Resource, live: Mapping[str, Any] | None) -> int | None:
    """Return the number of pods that the Deployment is applied with; None: without one."""
    server = resource.spec.server
    if server.replicas is not None:
        return server.replicas
    if live is None:
        return server.initial_replicas
    return live_replicas(live) if owns(live, _REPLICAS, manager=names.FIELD_MANAGER) else None


def wanted_replicas(resource: Resource, live: Mapping[str, Any] | None) -> int:
    """Return the number of pods that there are to be: that of the spec, or else of the live Deployment."""
    server = resource.spec.server
    if server.replicas is not None or live is None:
        return server.initial_replicas
    return live_replicas(live)


def live_replicas(deployment: Mapping[str, Any]) -> int:
    """Return the number of pods that a Deployment asks for."""
    return int(deployment["spec"].get("replicas", 1))


def autoscaler_spec(resource: Resource) -> dict[str, Any] | None:
    """Return the spec of the HorizontalPodAutoscaler; None if there is to be none."""
    wanted = resource.spec.server.autoscaling
    if wanted is None:
        return None
    target = {"type": "Utilization", "averageUtilization": wanted.cpu_utilization}
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": resource.name},
        "minReplicas": wanted.min_replicas,
        "maxReplicas": wanted.max_replicas,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
