"""The number of pods in status, and the writes of the autoscaler. No decision about a run depends on either."""

from collections.abc import Iterator
from typing import Final

from serin_core.api.base import Json
from serin_core.api.status import Status
from serin_core.kubernetes import manifests, scaling
from serin_core.rollout.observation import ChildSeen
from serin_core.rollout.protocol import Context

AUTOSCALER: Final = "HorizontalPodAutoscaler"


def wanted_replicas(context: Context) -> int:
    """Return the number of pods that there are to be."""
    return scaling.wanted_replicas(context.resource, live_deployment(context))


def live_deployment(context: Context) -> Json | None:
    """Return the Deployment as it was read, None if there is none."""
    found = context.observed.children.get(("Deployment", context.resource.name))
    return None if found is None else found.live


def note_scale(context: Context) -> Status:
    """Return the status with what autoscalers read, and whether an autoscaler must be looked for."""
    return context.status.changed(
        replicas=sum(not pod.deleting for pod in context.observed.pods),
        selector=",".join(f"{key}={value}" for key, value in manifests.selector(context.resource).items()),
        has_autoscaler=context.spec.server.autoscaling is not None or unused_autoscaler(context) is not None,
    )


def unused_autoscaler(context: Context) -> ChildSeen | None:
    """Return the autoscaler of this resource if there is to be none any more."""
    found = context.observed.children.get((AUTOSCALER, context.resource.name))
    is_unused = found is not None and found.is_ours and context.spec.server.autoscaling is None
    return found if is_unused else None


def rendered_autoscaler(context: Context) -> Iterator[Json]:
    """Yield the autoscaler to be applied, if there is to be one: once there is a Deployment to scale."""
    rendered = manifests.autoscaler(context.resource)
    if rendered is not None and live_deployment(context) is not None:
        yield rendered
