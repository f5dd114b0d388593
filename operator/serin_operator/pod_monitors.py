"""PodMonitors of the server pods, where the cluster has the API of the Prometheus Operator.

That API may appear at any time, and an older role of the operator may not allow it. Nothing about it is remembered:
each pass reads the PodMonitor like every other child, and asks for the API only where there is none. No outcome holds
up a rollout.
"""

from dataclasses import dataclass
from typing import Final

from serin_core.api.base import Json
from serin_core.api.resource import Resource
from serin_core.contract import names
from serin_core.kubernetes.inputs import PodMonitorSettings
from serin_core.rollout.observation import ChildSeen, is_owned_by
from serin_operator.interfaces import Kubernetes, NotFoundError, RefusedError
from serin_operator.settings import Monitoring

_NOT_SERVED: Final = (
    f"PodMonitor: the cluster does not serve {names.MONITORING_API}; install the Prometheus Operator, or set "
    "monitoring.podMonitor to Auto in the operator's configuration"
)
_FORBIDDEN: Final = (
    "give the operator its current rights, or set monitoring.podMonitor to Never in the operator's configuration"
)


@dataclass(frozen=True, slots=True)
class PodMonitorSeen:
    """What was read of one resource's PodMonitor."""

    wanted: PodMonitorSettings | None = None
    """How it is rendered; None if there is to be none."""
    child: ChildSeen | None = None
    refusals: tuple[str, ...] = ()
    """Why there is none although there should be one."""


class PodMonitors:
    """Decides whether a resource gets a PodMonitor."""

    def __init__(self, cluster: Kubernetes, settings: Monitoring) -> None:
        self._cluster, self._mode = cluster, settings.pod_monitor
        self._wanted = PodMonitorSettings(labels=settings.labels, interval=settings.interval)

    async def observe(self, resource: Resource) -> PodMonitorSeen:
        """Read the PodMonitor of a resource. Raises ClusterError, but not where its API is absent or forbidden."""
        if self._mode == "Never":
            return PodMonitorSeen()
        try:
            live = await self._cluster.get("PodMonitor", resource.namespace, resource.name)
        except (NotFoundError, RefusedError) as error:
            return await self._without(error)
        return self._with(live, resource)

    async def _without(self, error: NotFoundError | RefusedError) -> PodMonitorSeen:
        if not await self._cluster.serves(names.MONITORING_API, "podmonitors"):
            if self._mode == "Auto":
                return PodMonitorSeen()
            return PodMonitorSeen(refusals=(_NOT_SERVED,))
        if isinstance(error, RefusedError):
            return PodMonitorSeen(refusals=(f"{error}; {_FORBIDDEN}",))
        return PodMonitorSeen(self._wanted)

    def _with(self, live: Json, resource: Resource) -> PodMonitorSeen:
        is_ours = is_owned_by(live, resource.uid)
        if not is_ours and self._mode == "Auto":
            return PodMonitorSeen()  # Somebody else has one of this name: pods are scraped already.
        return PodMonitorSeen(self._wanted, ChildSeen(live=live, is_ours=is_ours))
