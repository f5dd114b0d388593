"""The state of pods, from the objects of Kubernetes and the pods' own reports. Reads nothing by itself."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from serin_core.api.base import Json
from serin_core.api.status import Crash
from serin_core.contract import names
from serin_core.contract.pod_report import LoadState, PodReport
from serin_core.rollout.observation import NoAnswer, PodSeen

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
# Reasons given by the kubelet and by containerd (with exit code 255).
_END_NOT_SEEN = frozenset({"ContainerStatusUnknown", "Unknown"})
_UNINFORMATIVE = frozenset({"ContainerCreating", "PodInitializing", "PodPending"})
READY_TIMEOUT = timedelta(seconds=60)
"""How long a pod may take to start and become ready before that is a problem."""


def observed_pod(live: Json, report: PodReport | NoAnswer, now: datetime) -> PodSeen:
    """Return a pod as it was observed: its object, and its own report."""
    metadata, status = live["metadata"], live["status"]
    annotations = metadata.get("annotations") or {}
    containers = status.get("containerStatuses") or []
    return PodSeen(
        name=metadata["name"],
        uid=metadata["uid"],
        template=annotations.get(names.ANNOTATION_TEMPLATE, ""),
        runs=tuple(filter(None, annotations.get(names.ANNOTATION_RUNS, "").split(","))),
        report=report,
        ready=_condition(status, "Ready").get("status") == "True",
        deleting="deletionTimestamp" in metadata,
        started=any(one.get("containerID") or one.get("restartCount") for one in containers),
        running_since=_running_since(containers),
        announced=annotations.get(names.ANNOTATION_REVISION),
        poke=annotations.get(names.ANNOTATION_POKE, ""),
        crashes=tuple(_crashes(metadata["uid"], containers)),
        problem=_problem(live, report, now),
    )


def _running_since(containers: list[Json]) -> datetime | None:
    starts = [one["state"]["running"].get("startedAt") for one in containers if "running" in one.get("state", {})]
    return max((datetime.fromisoformat(start) for start in starts if start), default=None)


def _crashes(uid: str, containers: list[Json]) -> list[Crash]:
    found = []
    for one in containers:
        restarts = one.get("restartCount", 0)
        for place, restart in (("lastState", restarts - 1), ("state", restarts)):
            ended = one.get(place, {}).get("terminated") or {}
            if _is_crash(ended):
                found.append(Crash(pod=uid, restart=restart, at=datetime.fromisoformat(ended["finishedAt"])))
    return found


def _is_crash(ended: Json) -> bool:
    """Return whether a container crashed. An end that nobody saw, as when its node restarts, is not a crash."""
    if not ended.get("finishedAt") or ended.get("reason") in _END_NOT_SEEN:
        return False
    return bool(ended.get("exitCode") != 0 or ended.get("reason") == "OOMKilled")


def _problem(pod: Json, report: PodReport | NoAnswer, now: datetime) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return ""
    placed, ready = _condition(pod["status"], "PodScheduled"), _condition(pod["status"], "Ready")
    if placed.get("status") == "False":
        return f"a pod cannot be placed: {placed.get('message', placed.get('reason', ''))}"
    containers = pod["status"].get("containerStatuses") or []
    waiting: Json = next((found for one in containers if (found := one.get("state", {}).get("waiting"))), {})
    if waiting.get("reason") in _NEEDS_ATTENTION:
        return f"a pod does not start: {_waiting_message(waiting, pod['metadata']['name'])}"
    since = ready.get("lastTransitionTime") or pod["metadata"].get("creationTimestamp")
    if ready.get("status") == "True" or since is None or now - datetime.fromisoformat(since) <= READY_TIMEOUT:
        return ""
    if waiting or not containers:
        return f"a pod has not started for over a minute: {_waiting_message(waiting, pod['metadata']['name'])}"
    return f"a pod has not been ready for over a minute: {_why_not_ready(report)}"


def _waiting_message(waiting: Json, pod: str) -> str:
    """Return what a container waits for, without a message that names its pod: it would change with every pod."""
    reason, message = waiting.get("reason", "PodPending"), waiting.get("message", "")
    if reason in _UNINFORMATIVE:
        message = message or "waits for its volumes or image"
    return reason if not message or pod in message else f"{reason}: {' '.join(message.split())}"


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
    return f"{pending.run} is {pending.state}" + (f": {pending.reason}" if pending.reason else "")


def replica_failure(deployment: Json) -> str:
    """Return why a Deployment cannot create pods, such as a quota; "" if it can."""
    failure = _condition(deployment.get("status", {}), "ReplicaFailure")
    return f"pods cannot be made: {failure.get('message', '')}" if failure.get("status") == "True" else ""


def _condition(status: Mapping[str, object], kind: str) -> Json:
    conditions = status.get("conditions")
    found = conditions if isinstance(conditions, list) else []
    return next((one for one in found if one["type"] == kind), {})
