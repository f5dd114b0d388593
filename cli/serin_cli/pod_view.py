"""The pods of a SuggestionModel, one line each. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from serin_cli.ages import describe_age
from serin_cli.resource import Live, status_of
from serin_cli.view_text import Line, cut, line

Pod = Mapping[str, Any]
_SHOWN: Final = 6
"""Pods that are shown, those that are not ready first."""


def pod_lines(live: Live, pods: Sequence[Pod] | None, *, now: datetime, width: int) -> list[Line]:
    """Return how many pods serve the present routing, and the pods."""
    progress = status_of(live).get("propagation") or {}
    title = ""
    if progress:
        confirmed = "confirmed" if progress.get("confirmed") else "not confirmed"
        title = f"  {progress.get('pods', '0/0')} serve revision {progress.get('revision', 0)}, {confirmed}"
    if pods is None:
        title += "  (cannot be read)"
    ordered = sorted(pods or (), key=lambda pod: (is_ready(pod), pod["metadata"]["name"]))
    lines = [cut(_pod(pod, now), width) for pod in ordered[:_SHOWN]]
    if others := ordered[_SHOWN:]:
        lines.append(line((f"   and {len(others)} more, {sum(map(is_ready, others))} of them ready", "dim")))
    return [cut(line(("Pods", "bold"), title), width), *lines] if title or lines else []


def is_ready(pod: Pod) -> bool:
    """Return whether a pod is ready and is not being deleted."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    is_up = any((one["type"], one["status"]) == ("Ready", "True") for one in conditions)
    return is_up and "deletionTimestamp" not in pod["metadata"]


def _pod(pod: Pod, now: datetime) -> Line:
    metadata, status = pod["metadata"], pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    restarts = sum(one.get("restartCount", 0) for one in containers)
    created = metadata.get("creationTimestamp")
    age = f", {describe_age(datetime.fromisoformat(created), now)}" if created else ""
    again = f", {restarts} restart{'s' if restarts > 1 else ''}" if restarts else ""
    mark = line(" ", ("✔", "good")) if is_ready(pod) else line(" ", ("·", "wait"))
    return (*mark, *line(f" {metadata['name']}  ", (f"{pod_state(pod)}{again}{age}", "dim")))


def pod_state(pod: Pod) -> str:
    """Return the state of a pod in a word or two: `Running`, `ImagePullBackOff`, `Terminating`."""
    containers = (pod.get("status") or {}).get("containerStatuses") or []
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    waiting = [one["state"]["waiting"] for one in containers if (one.get("state") or {}).get("waiting")]
    if waiting:
        return str(waiting[0].get("reason") or "Waiting")
    phase = str((pod.get("status") or {}).get("phase") or "Pending")
    return "Running, not ready" if phase == "Running" and not is_ready(pod) else phase
