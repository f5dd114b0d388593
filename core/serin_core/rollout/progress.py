"""Rule 15: the progress of pods, and the deadline for it.

As for a Deployment, the clock starts again with every pod that is ready; it is stopped while the rollout is suspended
or paused.
"""

from datetime import timedelta
from itertools import groupby
from typing import Final

from serin_core.api.durations import format_duration
from serin_core.api.formatting import listed
from serin_core.api.progress import Progress
from serin_core.api.status import CandidateState, Status
from serin_core.contract.pod_report import LoadState
from serin_core.kubernetes.hints import with_hint
from serin_core.rollout import rollback, scale
from serin_core.rollout.observation import NoAnswer, PodSeen
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import Transition

_NAMED: Final = 3
"""Pods that a message names for each reason."""


def update_progress(context: Context) -> Status:
    """Return the status with the clock of the pods' progress; without one where nothing is awaited of them."""
    target, reached, known = _target(context), _reached(context), context.status.progress
    if not target:
        return context.status.changed(progress=None)
    if known is None or known.target != target or reached > known.reached:
        known = Progress(target=target, reached=reached)
    return context.status.changed(progress=known.run(context.now, is_running=not _is_stopped(context)))


def elapsed_without_progress(context: Context) -> timedelta:
    """Return how long the pods have made no progress."""
    progress = context.status.progress
    return timedelta() if progress is None else progress.at(context.now)


def is_exceeded(context: Context) -> bool:
    """Return whether the pods made no progress for spec.progressDeadline."""
    return context.status.progress is not None and elapsed_without_progress(context) >= context.spec.progress_deadline


def time_left(context: Context) -> timedelta | None:
    """Return the time until the deadline; None while no clock runs, or after it."""
    progress = context.status.progress
    if progress is None or progress.running_since is None or is_exceeded(context):
        return None
    return context.spec.progress_deadline - elapsed_without_progress(context)


def deadline_passes(context: Context, _protocol: Protocol) -> Transition | None:
    """Rule 15: pods have not loaded the candidate by the deadline, and `onProgressDeadline` is Rollback."""
    candidate = context.status.candidate
    if candidate is None or context.spec.on_progress_deadline != "Rollback" or not is_exceeded(context):
        return None
    deadline = format_duration(context.spec.progress_deadline)
    reason = f"pods did not load it within {deadline} (onProgressDeadline: Rollback): {what_pods_wait_for(context)}"
    found = rollback.rolled_back(context, candidate, reason)
    return Transition(found.status.with_former_template(), candidate.run_id, found.message, is_warning=True)


def what_pods_wait_for(context: Context) -> str:
    """Return which pods have not reached the target and why, in Kubernetes' words or the pods' own, with a hint."""
    behind = [(_why(context, pod), pod.name) for pod in context.observed.pods if not _has_reached(context, pod)]
    found = [] if not context.observed.problem else [with_hint(context.observed.problem)]
    for reason, group in groupby(sorted(behind), key=lambda one: one[0]):
        found.append(f"{listed([name for _, name in group], _NAMED)}: {with_hint(reason)}")
    return "; ".join(found) or "no pod exists"


def _target(context: Context) -> str:
    """Return what the pods are to reach, "" where nothing is awaited: all pods come from the present template."""
    candidate, pods = context.status.candidate, [pod for pod in context.observed.pods if not pod.deleting]
    if scale.wanted_replicas(context) == 0 or scale.live_deployment(context) is None:
        return ""
    if is_loading(context) and candidate is not None:
        return f"{candidate.run_id}/{candidate.attempt}/{context.template}"
    return "" if pods and all(pod.template == context.template for pod in pods) else context.template


def is_loading(context: Context) -> bool:
    """Return whether pods are loading the candidate."""
    candidate = context.status.candidate
    return candidate is not None and candidate.state is CandidateState.LOADING


def _is_stopped(context: Context) -> bool:
    return context.is_stopped and context.status.rollout is not None


def _reached(context: Context) -> int:
    return sum(_has_reached(context, pod) for pod in context.observed.pods)


def _has_reached(context: Context, pod: PodSeen) -> bool:
    """Return whether a pod of the present template is ready, and has loaded the candidate if there is one to load."""
    candidate = context.status.candidate
    if pod.template != context.template or pod.deleting or not pod.ready:
        return False
    run = pod.run(candidate.run_id) if candidate is not None and is_loading(context) else None
    return not is_loading(context) or (run is not None and run.state is LoadState.LOADED)


def _why(context: Context, pod: PodSeen) -> str:
    candidate = context.status.candidate
    if pod.problem:
        return pod.problem
    if pod.deleting:
        return "terminating"
    if pod.template != context.template:
        return "of the former template, waiting until a pod of the new one is ready"
    if isinstance(pod.report, NoAnswer):
        return f"its server does not respond: {pod.report.reason}" if pod.started else "has not started"
    run = None if candidate is None else pod.run(candidate.run_id)
    if run is not None and run.state is not LoadState.LOADED:
        return f"{run.run} is {run.state}" + (f": {run.reason}" if run.reason else "")
    return "not ready"
