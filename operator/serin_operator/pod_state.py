"""The state of pods, from the objects of Kubernetes and the pods' own reports. Reads nothing by itself."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from serin_core.api.base import Json
from serin_core.contract import names
from serin_core.contract.pod_report import LoadState, PodReport
from serin_core.kubernetes.hints import without_repetition
from serin_core.rollout.observation import NoAnswer, NodeState, PodSeen
from serin_operator import server_container
from serin_operator.nodes import NodeSeen

_NEEDS_ATTENTION = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
    }
)
_UNINFORMATIVE = frozenset({"ContainerCreating", "PodInitializing", "PodPending"})
_PASSES_BY_ITSELF = ("failed to sync ", " not registered")
"""Parts of the kubelet's Warnings about a pod that it has only just heard of."""
_LONG_HEX = re.compile(r"\b[0-9a-f]{32,}\b")
_MAX_WARNINGS = 3
REPEATED_WITHIN = timedelta(minutes=3)
"""The kubelet tries to mount a volume again after two minutes at most."""
READY_TIMEOUT = timedelta(seconds=60)
"""How long a pod may take to start and become ready before that is a problem."""


def observed_pod(
    live: Json, report: PodReport | NoAnswer, now: datetime, events: Sequence[Json] = (), node: NodeSeen | None = None
) -> PodSeen:
    """Return a pod as it was observed: its object, its own report, Events about it, and its node where that is known.

    Events and node may be left out where `waits_without_reason`, `needs_events` and `needs_node` say so.
    """
    metadata, status, gone_by = live["metadata"], live["status"], live["metadata"].get("deletionTimestamp")
    annotations = metadata.get("annotations") or {}
    warnings = [one for one in events if one.get("type", "Warning") == "Warning"]
    return PodSeen(
        name=metadata["name"],
        uid=metadata["uid"],
        template=annotations.get(names.ANNOTATION_TEMPLATE, ""),
        runs=tuple(filter(None, annotations.get(names.ANNOTATION_RUNS, "").split(","))),
        report=report,
        ready=_condition(status, "Ready").get("status") == "True",
        deleting=gone_by is not None,
        started=server_container.has_started(live),
        running_since=server_container.running_since(live),
        announced=annotations.get(names.ANNOTATION_REVISION),
        poke=annotations.get(names.ANNOTATION_POKE, ""),
        crashes=server_container.crashes(live, events, node),
        node=live.get("spec", {}).get("nodeName") or "",
        address=status.get("podIP") or "",
        node_state=NodeState.UNKNOWN if node is None else node.state,
        # Kubernetes adds the grace period to the time of the deletion.
        gone_by=datetime.fromisoformat(gone_by) if gone_by else None,
        problem=_problem(live, report, now, recent_warnings(warnings)),
    )


def needs_node(pod: Json, now: datetime) -> bool:
    """Return whether the state of its node may explain the state of a pod, which is not ready or has ended."""
    is_ready = _condition(pod["status"], "Ready").get("status") == "True"
    return server_container.has_ended(pod, now) or (server_container.has_started(pod) and not is_ready)


def waits_without_reason(pod: Json) -> bool:
    """Return whether a pod waits for a node's parts, volumes for example, and only Events can report why."""
    placed, waiting = _condition(pod["status"], "PodScheduled"), _waiting(pod)
    is_waiting = bool(waiting) or not pod["status"].get("containerStatuses")
    return (
        "deletionTimestamp" not in pod["metadata"]
        and placed.get("status") != "False"
        and is_waiting
        and waiting.get("reason", "PodPending") in _UNINFORMATIVE
        and not waiting.get("message")
    )


def recent_warnings(warnings: Sequence[Json]) -> str:
    """Return the messages of Events that the kubelet still repeats, in an order that does not change; "" for none."""
    lasting = [one for one in warnings if not any(text in one.get("message", "") for text in _PASSES_BY_ITSELF)]
    latest = max(map(_last_seen, lasting), default=None)
    recent = {one.get("message", "") for one in lasting if latest and latest - _last_seen(one) <= REPEATED_WITHIN}
    return "; ".join(sorted(map(without_repetition, recent))[:_MAX_WARNINGS])


def _last_seen(event: Json) -> datetime:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return datetime.fromisoformat(next(filter(None, times), event["metadata"]["creationTimestamp"]))


def _waiting(pod: Json) -> Json:
    """Return what a container waits for, the server first; another container is named in the reason."""
    server = server_container.server_status(pod)
    if waiting := server.get("state", {}).get("waiting"):
        return dict(waiting)
    others = (one for one in pod["status"].get("containerStatuses") or [] if one is not server)
    found = next((one for one in others if one.get("state", {}).get("waiting")), None)
    return {} if found is None else {"container": found.get("name", ""), **found["state"]["waiting"]}


def _problem(pod: Json, report: PodReport | NoAnswer, now: datetime, warning: str) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return ""
    if obstacle := _obstacle(pod, warning):
        return obstacle
    ready, waiting = _condition(pod["status"], "Ready"), _waiting(pod)
    since = ready.get("lastTransitionTime") or pod["metadata"].get("creationTimestamp")
    if ready.get("status") == "True" or since is None or now - datetime.fromisoformat(since) <= READY_TIMEOUT:
        return ""
    if waiting or not pod["status"].get("containerStatuses"):
        return f"a pod has not started for over a minute: {_waiting_message(waiting, pod['metadata']['name'])}"
    return f"a pod has not been ready for over a minute: {_why_not_ready(report)}"


def _obstacle(pod: Json, warning: str) -> str:
    """Return what Kubernetes reports to be in the way of a pod's start, "" if nothing; that needs no patience."""
    placed, waiting = _condition(pod["status"], "PodScheduled"), _waiting(pod)
    if placed.get("status") == "False":
        return f"a pod cannot be placed: {without_repetition(placed.get('message') or placed.get('reason', ''))}"
    if waiting.get("reason") in _NEEDS_ATTENTION:
        return f"a pod does not start: {_waiting_message(waiting, pod['metadata']['name'])}"
    if warning and waits_without_reason(pod):
        return f"a pod does not start: {_without_ids(warning, pod)}"
    return ""


def _without_ids(message: str, pod: Json) -> str:
    """Return a message without what would change with every pod and every try."""
    for text in (pod["metadata"]["name"], pod["metadata"]["uid"]):
        message = message.replace(text, "...")
    return _LONG_HEX.sub("...", message)


def _waiting_message(waiting: Json, pod: str) -> str:
    """Return what a container waits for, without a message that names its pod: it would change with every pod."""
    reason, message = waiting.get("reason", "PodPending"), waiting.get("message", "")
    if reason in _UNINFORMATIVE:
        message = message or "waits for its volumes or image"
    of = f" of container {waiting['container']}" if "container" in waiting else ""
    return f"{reason}{of}" if not message or pod in message else f"{reason}{of}: {without_repetition(message)}"


def _why_not_ready(report: PodReport | NoAnswer) -> str:
    """Return the most likely reason why a running server is not ready."""
    match report:
        case NoAnswer(reason=reason):
            return f"its server does not respond: {reason}"
        case PodReport(revision=-1):
            return "it has not read its routing yet"
        case PodReport(runs=runs):
            pending = next((run for run in runs if run.state is not LoadState.LOADED), None)
    if pending is None:
        return "its server responds, but is not ready"
    if pending.state is LoadState.LOADING and not pending.reason:
        return f"{pending.run} is still being read: the registry, or its volume, is slow or does not respond"
    return f"{pending.run} is {pending.state}" + (f": {pending.reason}" if pending.reason else "")


def replica_failure(deployment: Json) -> str:
    """Return why a Deployment cannot create pods, such as a quota; "" if it can."""
    failure = _condition(deployment.get("status", {}), "ReplicaFailure")
    message = re.sub(r'^pods "[^"]*" is', "a pod is", failure.get("message", ""))
    return f"pods cannot be made: {without_repetition(message)}" if failure.get("status") == "True" else ""


def _condition(status: Mapping[str, object], kind: str) -> Json:
    conditions = status.get("conditions")
    found = conditions if isinstance(conditions, list) else []
    return next((one for one in found if one["type"] == kind), {})
