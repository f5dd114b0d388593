"""When to check a resource again, if no event of the cluster comes first."""

from datetime import timedelta
from typing import Final

from serin_core.api.status import Candidate
from serin_core.contract.pod_report import LoadState, PodReport
from serin_core.rollout import bake, checks, progress, supervision
from serin_core.rollout.canary_steps import soak_of
from serin_core.rollout.protocol import Context, held_by

RESYNC: Final = timedelta(minutes=10)
_SECOND: Final = timedelta(seconds=1)
_EAGER_FOR: Final = timedelta(seconds=20)
_PATIENT_AFTER: Final = timedelta(minutes=5)
_WHILE_WAITING: Final = timedelta(seconds=10)


def next_check(context: Context) -> timedelta:
    """Return the delay until the next check.

    That is short while pods are to confirm a routing or a stage is to start, else the end of the soak or the interval
    of the analysis, and RESYNC without a rollout. Pods that serve a candidate are asked before they fall back (rule
    11). No event of the cluster shows that a pod has loaded a run at last, or why one does not start.
    """
    later = min(_without_waiting_pods(context), progress.time_left(context) or RESYNC, supervision.ask_within(context))
    return min(later, _WHILE_WAITING) if _is_waiting(context) else later


def _without_waiting_pods(context: Context) -> timedelta:
    wanted, rollout = context.status.propagation, context.status.rollout
    if wanted.since is not None and not wanted.confirmed and context.observed.pods:
        return _while_unconfirmed(context.now - wanted.since)
    if rollout is None:
        return RESYNC
    if rollout.stage_started_at is None:
        return _SECOND
    wait = _until_the_stage_is_over(context, rollout)
    held = held_by(context)
    until_open = None if held is None or held.until is None else max(held.until - context.now, _SECOND / 10)
    return wait if until_open is None else min(wait, until_open)


def _until_the_stage_is_over(context: Context, rollout: Candidate) -> timedelta:
    soak_left = soak_of(context.spec.canary, percent=rollout.percent) - rollout.soak.at(context.now)
    left = soak_left if rollout.bake is None else bake.time_left(context, rollout)
    interval = context.spec.analysis.interval
    interval = min(interval, checks.next_request(context) or interval)
    return min(interval, max(left, _SECOND / 10)) if left > timedelta() else interval


def _while_unconfirmed(age: timedelta) -> timedelta:
    """Return the delay while pods are to confirm a routing of this age; after minutes, only its removal helps a pod."""
    if age < _EAGER_FOR:
        return timedelta(milliseconds=250)
    return 2 * _SECOND if age < _PATIENT_AFTER else _WHILE_WAITING


def _is_waiting(context: Context) -> bool:
    """Return whether a pod is not ready, does not respond, or has neither loaded nor refused a run."""
    pods = [pod for pod in context.observed.pods if not pod.deleting]
    reports = [pod.report for pod in pods if isinstance(pod.report, PodReport)]
    is_loading = any(run.state is LoadState.LOADING for report in reports for run in report.runs)
    return is_loading or not all(pod.ready for pod in pods) or bool(context.status.silent_pods)
