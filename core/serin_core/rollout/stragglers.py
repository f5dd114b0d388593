"""Rule 7: pods that go on with a withdrawn routing are reminded of the present one, then removed one at a time."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from serin_core.contract import names
from serin_core.contract.pod_report import PodReport
from serin_core.rollout.lost_pods import OVERDUE_FOR
from serin_core.rollout.observation import PodSeen
from serin_core.rollout.protocol import Context, is_left_to_push, serves_the_routing

POKE_EVERY: Final = timedelta(seconds=10)
EVICT_AFTER: Final = timedelta(seconds=60)
DELETE_AFTER: Final = timedelta(seconds=120)


def announcement(context: Context, pod: PodSeen) -> dict[str, str]:
    """Return the annotations that announce the routing to a pod; {} if there is nothing to announce.

    A revision is announced once, and not to a pod that takes the routing from the operator itself, unless a run is
    withdrawn (`is_left_to_push`). A pod that responds and serves another one is reminded every ten seconds. One that
    does not respond is not: nobody could see whether that helps, and it would be written for as long as that lasts.
    """
    wanted = context.status.propagation
    if pod.announced != str(wanted.revision):
        return {} if is_left_to_push(context, pod) else {names.ANNOTATION_REVISION: str(wanted.revision)}
    if wanted.since is None or not _is_behind(context, pod):
        return {}
    pokes = (context.now - wanted.since) // POKE_EVERY
    poke = f"{wanted.revision}-{pokes}"
    return {names.ANNOTATION_POKE: poke} if pokes > 0 and pod.poke != poke else {}


def removals(context: Context) -> Iterator[tuple[PodSeen, bool]]:
    """Yield the straggler to remove now, if any, and whether to delete it rather than to evict it.

    A straggler serves a run that the routing withdraws, a minute after the decision or the start of its container,
    whichever is later: a new pod may not have read its routing yet. One is removed at a time, never the last ready
    pod, and none on a node that is not ready, where a removal would only take it out of the Service.
    """
    wanted = context.status.propagation
    if not wanted.withdraws_run or wanted.since is None or _is_one_leaving(context):
        return
    for pod in sorted(context.observed.pods, key=lambda one: (one.ready, one.name)):
        age = context.now - max(wanted.since, pod.running_since or wanted.since)
        is_last = pod.ready and len(context.ready_pods) == 1
        if age > EVICT_AFTER and _is_behind(context, pod) and not (pod.deleting or is_last or pod.node_state.is_away):
            yield pod, age > DELETE_AFTER
            return


def _is_behind(context: Context, pod: PodSeen) -> bool:
    return isinstance(pod.report, PodReport) and pod.started and not serves_the_routing(pod, context)


def _is_one_leaving(context: Context) -> bool:
    """Return whether a pod is terminating, other than one that should be gone by now."""
    leaving = [pod for pod in context.observed.pods if pod.deleting]
    return any(pod.gone_by is None or context.now < pod.gone_by + OVERDUE_FOR for pod in leaving)
