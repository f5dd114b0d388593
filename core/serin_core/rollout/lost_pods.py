"""Rule 9: pods that the operator waits for although they cannot confirm: unreachable, stuck, or on nodes that are away.

They are named, with what ends the wait. None of them is assumed to be gone because it is silent: it may serve users.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

from serin_core.api.silent_pods import SilentPod
from serin_core.api.status import Status
from serin_core.rollout.observation import NoAnswer, PodSeen
from serin_core.rollout.protocol import Context

SILENT_FOR: Final = timedelta(seconds=30)
"""How long a ready pod may be silent before it is named: its server may be busy, or its network new."""
OVERDUE_FOR: Final = timedelta(seconds=30)
"""How long a pod may terminate beyond its grace period before it is named."""
MAX_SILENT: Final = 20
"""Silent pods that status keeps: of any further ones only the number is shown."""
_NAMED: Final = 3
_MAX_ERROR: Final = 200


def note_silence(context: Context) -> Status:
    """Return the status with the ready pods that do not respond, and since when."""
    known = {one.uid: one for one in context.status.silent_pods}
    silent = sorted((pod for pod in context.ready_pods if is_silent(pod)), key=lambda pod: pod.name)[:MAX_SILENT]
    kept = tuple(
        known.get(pod.uid) or SilentPod(uid=pod.uid, since=context.now, error=_error(pod)[:_MAX_ERROR])
        for pod in silent
    )
    return context.status.changed(silent_pods=kept)


def is_silent(pod: PodSeen) -> bool:
    """Return whether the server of a pod was started and does not respond to the operator."""
    return pod.started and isinstance(pod.report, NoAnswer)


def is_unreachable(context: Context, pod: PodSeen) -> bool:
    """Return whether a pod is waited for although it cannot confirm a routing."""
    return any(holds(context, pod) for holds, _ in _KINDS)


def describe_unreachable(context: Context) -> str:
    """Return which pods cannot confirm a routing, why, and what ends the wait for them; "" for none."""
    found, named = [], set[str]()
    for holds, text in _KINDS:
        pods = [pod for pod in context.observed.pods if pod.uid not in named and holds(context, pod)]
        named |= {pod.uid for pod in pods}
        if pods:
            found.append(f"{_names(pods)}: {text(context, pods)}")
    return "; ".join(found)


def _is_away(_context: Context, pod: PodSeen) -> bool:
    return pod.node_state.is_away and is_silent(pod)


def _is_overdue(context: Context, pod: PodSeen) -> bool:
    return pod.started and pod.gone_by is not None and context.now - pod.gone_by >= OVERDUE_FOR


def _is_cut_off(context: Context, pod: PodSeen) -> bool:
    known = context.status.silent_pods
    since = next((one.since for one in known if one.uid == pod.uid), None)
    if since is None and len(known) == MAX_SILENT and pod in context.ready_pods and is_silent(pod):
        since = known[-1].since
    return since is not None and context.now - since >= SILENT_FOR


def _away(context: Context, pods: Iterable[PodSeen]) -> str:
    states = " and ".join(sorted({pod.node_state.value for pod in pods}))
    return f"the node is {states}, so nobody knows what they serve; they count until the node is back{_forget(context)}"


def _overdue(context: Context, pods: Iterable[PodSeen]) -> str:
    if not all(map(is_silent, pods)):
        return "terminating for longer than the grace period, but still serving: kubectl describe pod"
    return f"terminating for longer than the grace period, without a response{_forget(context)}"


def _cut_off(context: Context, pods: Iterable[PodSeen]) -> str:
    uids = {pod.uid for pod in pods}
    error = next((one.error for one in context.status.silent_pods if one.uid in uids), "")
    return (
        f"ready, but no response to the operator ({error}); let the operator's namespace reach port 8080 of these "
        "pods: check NetworkPolicies, and the mTLS of a service mesh"
    )


def _forget(_context: Context) -> str:
    return ""


_KINDS: Final[tuple[tuple[Callable[[Context, PodSeen], bool], Callable[[Context, list[PodSeen]], str]], ...]] = (
    (_is_away, _away),
    (_is_overdue, _overdue),
    (_is_cut_off, _cut_off),
)


def _names(pods: list[PodSeen]) -> str:
    places = [f"{pod.name} on node {pod.node or 'unknown'} ({pod.address or 'no address'})" for pod in pods]
    more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    return f"{', '.join(places[:_NAMED])}{more}"


def _error(pod: PodSeen) -> str:
    return pod.report.reason if isinstance(pod.report, NoAnswer) else ""
