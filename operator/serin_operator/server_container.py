"""The server container of a pod: since when it runs, and which of its ends the server itself caused. Reads nothing.

Sidecars, init containers and nodes have failures of their own, which are no evidence about a run
(docs/decisions/0104).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from serin_core.api.base import Json
from serin_core.api.status import Crash
from serin_core.kubernetes.pod_template import CONTAINER
from serin_core.rollout.protocol import CRASH_WINDOW
from serin_operator.nodes import NodeSeen

# Reasons of an end that nobody saw, given by the kubelet and by containerd (with exit code 255), and of a container
# whose process never ran.
_NOT_AN_END: Final = frozenset({"ContainerStatusUnknown", "Unknown", "StartError", "ContainerCannotRun"})
_OUT_OF_MEMORY: Final = "OOMKilled"
# 128 + SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM: a process does not send these to itself.
_SENT_BY_OTHERS: Final = frozenset({129, 130, 131, 137, 143})
_PROBES: Final = ("liveness probe", "startup probe")
_KILL_TAKES: Final = timedelta(seconds=60)
"""Maximum time from the kubelet's Event about a failed probe until the container has ended."""
_CLOCK_ERROR: Final = timedelta(seconds=2)
NODE_SETTLES: Final = timedelta(minutes=1)
"""How long a node that has just become Ready is too busy for ends of its containers to be evidence."""


def server_status(pod: Json) -> Json:
    """Return the status of the server container, {} before the kubelet has reported one."""
    containers = pod["status"].get("containerStatuses") or []
    return next((one for one in containers if one.get("name") == CONTAINER), {})


def has_started(pod: Json) -> bool:
    """Return whether the server container has ever run."""
    status = server_status(pod)
    return bool(status.get("containerID") or status.get("restartCount"))


def running_since(pod: Json) -> datetime | None:
    """Return the start of the server container, None while it does not run."""
    start = server_status(pod).get("state", {}).get("running", {}).get("startedAt")
    return datetime.fromisoformat(start) if start else None


def has_ended(pod: Json, now: datetime) -> bool:
    """Return whether the server container ended so recently that it may count as a crash."""
    return bool(_recent_ends(pod, now))


def needs_events(pod: Json, now: datetime) -> bool:
    """Return whether only Events can report who ended the server container: the kubelet, because a probe failed?"""
    return any(map(_is_ended_by_others, _recent_ends(pod, now)))


def _recent_ends(pod: Json, now: datetime) -> list[Json]:
    ends = (ended for _, ended in _ends(pod))
    return [ended for ended in ends if now - datetime.fromisoformat(ended["finishedAt"]) <= CRASH_WINDOW]


def crashes(pod: Json, events: Sequence[Json], node: NodeSeen | None) -> tuple[Crash, ...]:
    """Return the ends of the server container that the server caused.

    These are exits with an error, too much memory, and kills by the kubelet because a probe failed. Ends at a time at
    which its node was not Ready, and those of a pod that is being evicted, are left out.
    """
    if _is_disrupted(pod):
        return ()
    return tuple(
        Crash(pod=pod["metadata"]["uid"], restart=number, at=at)
        for number, ended in _ends(pod)
        if _is_crash(ended, at := datetime.fromisoformat(ended["finishedAt"]), events)
        and (node is None or node.was_settled(at, after=NODE_SETTLES))
    )


def _ends(pod: Json) -> list[tuple[int, Json]]:
    """Return the last ends of the server container that were seen, by the number of its restart.

    While it waits for its next start, the last end is that of the present number.
    """
    status = server_status(pod)
    restarts, is_waiting = status.get("restartCount", 0), "waiting" in status.get("state", {})
    places = (("lastState", restarts if is_waiting else restarts - 1), ("state", restarts))
    found = [(number, status.get(place, {}).get("terminated") or {}) for place, number in places]
    return [one for one in found if one[1].get("finishedAt") and one[1].get("reason") not in _NOT_AN_END]


def _is_ended_by_others(ended: Json) -> bool:
    return ended.get("reason") != _OUT_OF_MEMORY and ended.get("exitCode") in {0, *_SENT_BY_OTHERS}


def _is_crash(ended: Json, at: datetime, events: Sequence[Json]) -> bool:
    return not _is_ended_by_others(ended) or any(_is_probe_kill(event, at) for event in events)


def _is_probe_kill(event: Json, at: datetime) -> bool:
    """Return whether the Event says that a failed probe ended the server container at that time."""
    message = event.get("message", "")
    if event.get("reason") != "Killing" or f"Container {CONTAINER} " not in message:
        return False
    times = (event.get("firstTimestamp"), event.get("lastTimestamp"), event.get("eventTime"))
    killed = [datetime.fromisoformat(one) for one in times if one]
    is_at_that_time = any(one - _CLOCK_ERROR <= at <= one + _KILL_TAKES for one in killed)
    return is_at_that_time and any(probe in message for probe in _PROBES)


def _is_disrupted(pod: Json) -> bool:
    """Return whether Kubernetes is about to remove the pod: eviction, preemption, a taint, a node that shuts down."""
    conditions = pod["status"].get("conditions") or []
    return any(one["type"] == "DisruptionTarget" and one.get("status") == "True" for one in conditions)
