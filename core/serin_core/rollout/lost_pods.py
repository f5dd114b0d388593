"""Rule 9: pods that the operator waits for although they cannot confirm: unreachable, stuck, or on nodes that are away.

They are named, with what ends the wait. None of them is assumed to be gone because it is silent: it may serve users.
Only a node that is declared out of service or deleted, or a user, ends the wait: then the pod is deleted.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from typing import Final

from serin_core.api.base import shortened
from serin_core.api.formatting import listed
from serin_core.api.silent_pods import SilentPod
from serin_core.api.status import Status
from serin_core.contract.pod_report import PodReport
from serin_core.rollout.observation import NoAnswer, NodeState, PodSeen
from serin_core.rollout.protocol import Context, Protocol, serves_the_routing
from serin_core.rollout.requests import Request, done, unanswered
from serin_core.rollout.transition import Transition

FORGET: Final = "forget-pod"
"""The request by which a user declares a pod dead: it names the pod and its uid."""
SILENT_FOR: Final = timedelta(seconds=30)
"""How long a ready pod may be silent before it is named: its server may be busy, or its network new."""
OVERDUE_FOR: Final = timedelta(seconds=30)
"""How long a pod may terminate beyond its grace period before it is named."""
BEHIND_FOR: Final = timedelta(seconds=45)
"""How long a pod that responds may serve a former routing before it is named; a healthy kubelet takes a second."""
MAX_DEAD: Final = 100
"""Pods declared dead that status keeps; each is deleted in the pass after its request."""
MAX_SILENT: Final = 20
"""Silent pods that status keeps: of any further ones only the number is shown."""
_NAMED: Final = 3
_MAX_ERROR: Final = 200


def note_silence(context: Context) -> Status:
    """Return the status with the ready pods that do not respond, and since when; without dead pods that are gone."""
    known = {one.uid: one for one in context.status.silent_pods}
    silent = sorted((pod for pod in context.ready_pods if is_silent(pod)), key=lambda pod: pod.name)[:MAX_SILENT]
    kept = tuple(
        known.get(pod.uid) or SilentPod(uid=pod.uid, since=context.now, error=_error(pod)[:_MAX_ERROR])
        for pod in silent
    )
    existing = {pod.uid for pod in context.observed.pods}
    dead = tuple(uid for uid in context.status.dead_pods if uid in existing)
    return context.status.changed(silent_pods=kept, dead_pods=dead)


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


def describe_behind(context: Context) -> str:
    """Return which pods respond and serve a former routing, and what ends the wait for them; "" for none."""
    pods = [pod for pod in context.observed.pods if _is_behind(context, pod)]
    groups = groupby(sorted(pods, key=_refusal), _refusal)
    return "; ".join(_why_behind(context, refusal, list(group)) for refusal, group in groups)


def _refusal(pod: PodSeen) -> str:
    return pod.report.refusal if isinstance(pod.report, PodReport) else ""


def _why_behind(context: Context, refusal: str, pods: list[PodSeen]) -> str:
    revision, since = context.status.propagation.revision, context.status.propagation.since
    decided = "" if since is None else f" of {since:%H:%M:%S} UTC"
    if refusal:
        return f"{_names(pods)}: refused routing {revision}{decided}: {shortened(refusal, _MAX_ERROR)}"
    return (
        f"{_names(pods)}: no confirmation of routing {revision}{decided}, since the kubelet has not updated the "
        "mounted file; the operator reminds it every 10 s, and removes a pod that serves a withdrawn run. To replace "
        "one: kubectl delete pod"
    )


def to_delete(context: Context) -> Iterator[PodSeen]:
    """Yield the lost pods that are to be deleted without waiting for their kubelet."""
    return (pod for pod in context.observed.pods if _is_lost(pod) and _is_declared_dead(context, pod))


def why_forget_is_ignored(request: Request, context: Context) -> str:
    """Return why a forget-pod has no effect, "" if it has."""
    name, uid = (*request.value.split(), "", "")[:2]
    pod = next((one for one in context.observed.pods if one.name == name), None)
    if pod is None:
        return f"{name or 'no pod'} is not a pod of {context.resource.name}, or is gone"
    if pod.uid != uid:
        return f'a forget-pod names the pod and its uid ("{name} {pod.uid} ..."), not {uid or "its name alone"}'
    if not pod.started:
        return f"{name} has never started, and is not waited for"
    if not is_silent(pod):
        return f"{name} responds to the operator, so it is not dead; to end it: kubectl delete pod {name}"
    if pod.ready:
        return f"{name} is ready: it serves users, although it does not respond to the operator; check NetworkPolicies"
    return ""


def forget_pod(context: Context, _protocol: Protocol) -> Transition | None:
    """Rule 9: a user declares a pod dead: it is deleted without waiting for its kubelet."""
    requests = (one for one in unanswered(context.resource, context.status) if one.action == FORGET)
    request = next((one for one in requests if not why_forget_is_ignored(one, context)), None)
    if request is None:
        return None
    pod = next(one for one in context.observed.pods if one.name == request.value.split()[0])
    message = f"{pod.name} on node {pod.node} is declared dead: it is deleted, and no longer waited for"
    run = context.status.rollout or context.status.stable
    status = context.status.changed(dead_pods=(*context.status.dead_pods, pod.uid)[-MAX_DEAD:])
    found = done(context, request, status, message)
    return replace(found, run_id="" if run is None else run.run_id, is_warning=True)


def _is_behind(context: Context, pod: PodSeen) -> bool:
    since = context.status.propagation.since
    if since is None or pod.deleting or not pod.started or isinstance(pod.report, NoAnswer):
        return False
    is_late = context.now - max(since, pod.running_since or since) >= BEHIND_FOR
    return is_late and not serves_the_routing(pod, context)


def _is_lost(pod: PodSeen) -> bool:
    return is_silent(pod) and not pod.ready


def _is_declared_dead(context: Context, pod: PodSeen) -> bool:
    """Return whether the node of a pod is declared gone, or a user has declared the pod dead."""
    is_gone = pod.node_state in (NodeState.OUT_OF_SERVICE, NodeState.DELETED)
    return is_gone or pod.uid in context.status.dead_pods


def _is_leaving(context: Context, pod: PodSeen) -> bool:
    return _is_lost(pod) and _is_declared_dead(context, pod)


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


def _leaving(_context: Context, _pods: Iterable[PodSeen]) -> str:
    return "declared dead, or the node is deleted or out of service: deleted without waiting for the kubelet"


def _away(context: Context, _pods: Iterable[PodSeen]) -> str:
    return (
        "the node is not ready, so that nobody knows what the pod serves; it is waited for until the node is back. If "
        "the node is gone for good, delete it or taint it node.kubernetes.io/out-of-service=nodeshutdown:NoExecute, or "
        f"declare the pod dead: {_forget(context)}"
    )


def _overdue(context: Context, pods: Iterable[PodSeen]) -> str:
    if not all(map(is_silent, pods)):
        return "terminating for longer than the grace period, but still serving: kubectl describe pod"
    return (
        "terminating for longer than the grace period, without a response: kubectl describe pod. If its containers are "
        f"gone, declare it dead: {_forget(context)}"
    )


def _cut_off(context: Context, pods: Iterable[PodSeen]) -> str:
    uids = {pod.uid for pod in pods}
    error = next((one.error for one in context.status.silent_pods if one.uid in uids), "")
    return (
        f"ready, but no response to the operator ({error}); let the operator's namespace reach port 8080 of these "
        "pods: check NetworkPolicies, and the mTLS of a service mesh"
    )


def _forget(context: Context) -> str:
    return f"kubectl serin {FORGET} {context.resource.name} POD"


_KINDS: Final[tuple[tuple[Callable[[Context, PodSeen], bool], Callable[[Context, list[PodSeen]], str]], ...]] = (
    (_is_leaving, _leaving),
    (_is_away, _away),
    (_is_overdue, _overdue),
    (_is_cut_off, _cut_off),
)


def _names(pods: list[PodSeen]) -> str:
    places = [f"{pod.name} on node {pod.node or 'unknown'} ({pod.address or 'no address'})" for pod in pods]
    return listed(places, _NAMED)


def _error(pod: PodSeen) -> str:
    return pod.report.reason if isinstance(pod.report, NoAnswer) else ""
