"""The HorizontalPodAutoscaler of a resource, read only where there is or was one to be.

An older role of the operator may not allow it; that holds up neither other resources nor a rollout.
"""

from dataclasses import dataclass
from typing import Final

from serin_core.api.resource import Resource
from serin_core.rollout.observation import ChildSeen, is_owned_by
from serin_core.rollout.scale import AUTOSCALER
from serin_operator.interfaces import Kubernetes, NotFoundError, RefusedError

_FORBIDDEN: Final = "give the operator its current rights"


@dataclass(frozen=True, slots=True)
class AutoscalerSeen:
    """What was read of one resource's autoscaler."""

    child: ChildSeen | None = None
    refusals: tuple[str, ...] = ()
    """Why it could not be read."""


async def observe_autoscaler(cluster: Kubernetes, resource: Resource) -> AutoscalerSeen:
    """Read the autoscaler of a resource. Raises ClusterError, but not where it is absent or forbidden."""
    is_wanted = resource.spec.server.autoscaling is not None
    if not is_wanted and not (resource.status is not None and resource.status.has_autoscaler):
        return AutoscalerSeen()
    try:
        live = await cluster.get(AUTOSCALER, resource.namespace, resource.name)
    except NotFoundError:
        return AutoscalerSeen()
    except RefusedError as error:
        return AutoscalerSeen(refusals=(f"{error}; {_FORBIDDEN}",))
    is_ours = is_owned_by(live, resource.uid)
    # A user's own of this name is in the way only of one that is wanted.
    return AutoscalerSeen(ChildSeen(live=live, is_ours=is_ours) if is_ours or is_wanted else None)
