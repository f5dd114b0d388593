"""Reasons of the condition Ready while pods keep a resource from what its spec asks for."""

from serin_core.api.durations import format_duration
from serin_core.api.status import Candidate, CandidateState, RunInUse
from serin_core.contract.pod_report import LoadState
from serin_core.kubernetes.hints import with_hint
from serin_core.rollout import lost_pods, progress
from serin_core.rollout.pauses import describe_pause
from serin_core.rollout.protocol import ABSENT_PATIENCE, Context, has_loaded
from serin_core.rollout.ready_state import ReadyReason, Truth, stalled


def deadline_exceeded(context: Context) -> ReadyReason | None:
    """Rule 15: pods have made no progress for spec.progressDeadline."""
    if not progress.is_exceeded(context):
        return None
    rollout, deadline = context.status.rollout, format_duration(context.spec.progress_deadline)
    what = "are replaced" if rollout is None or not progress.is_loading(context) else f"have loaded {rollout.run_id}"
    stop = "" if rollout is None else f"; to end the rollout: kubectl serin abort {context.resource.name}"
    message = (
        f"No further pods {what} within {deadline} (spec.progressDeadline): {progress.what_pods_wait_for(context)}. "
        f"It goes on once they are ready{stop}"
    )
    return stalled("ProgressDeadlineExceeded", message)


def pods_unavailable(context: Context) -> ReadyReason | None:
    """Pods cannot be created, started or reached, or cannot load a run that serves."""
    named = [pod for pod in context.observed.pods if pod.problem and not pod.deleting]
    problems = sorted({pod.problem for pod in named if not lost_pods.is_unreachable(context, pod)})
    problems += [context.observed.problem] if context.observed.problem else []
    problems = [*map(with_hint, problems), *_lost_runs(context)]
    unreachable, behind = lost_pods.describe_unreachable(context), lost_pods.describe_behind(context)
    message = f"On hold: {'; '.join(filter(None, [*problems, unreachable, behind]))}"
    if problems:
        return ReadyReason("PodsUnavailable", message, ready=ready_of_promoted(context))
    if unreachable:
        return ReadyReason("PodsUnreachable", message, ready=ready_of_promoted(context))
    return ReadyReason("PodsBehind", message) if behind else None


def before_running(context: Context) -> ReadyReason | None:
    """Pods stop serving a former candidate, or load the one that follows."""
    candidate = context.status.candidate
    if candidate is None:
        return ReadyReason("Pending", "No rollout has started yet")
    match candidate.state:
        case CandidateState.DRAINING:
            confirmed = context.status.propagation.pods.replace("/", " of ")
            message = (
                f"Waiting for all pods to stop serving a former candidate, before they load {candidate.run_id}; "
                f"{confirmed} pods have{_stopped(context, candidate)}"
            )
            return ReadyReason("Draining", message)
        case CandidateState.LOADING:
            return _loading(context, candidate)
        case _:
            return None


def _loading(context: Context, candidate: Candidate) -> ReadyReason:
    """Return what pods that load the candidate wait for, as they report it themselves."""
    runs = [pod.run(candidate.run_id) for pod in context.observed.pods if pod.template == context.template]
    waiting = [run for run in runs if run is not None and run.state is LoadState.LOADING and run.reason]
    what = f"Pods are loading {candidate.run_id}"
    if away := sorted(run.reason for run in waiting if not run.absent):
        return ReadyReason("RegistryUnavailable", f"{what}: {with_hint(away[0])}. Pods retry")
    if absent := sorted(run.reason for run in waiting):
        patience = format_duration(ABSENT_PATIENCE)
        return ReadyReason(
            "RunNotFound", f"{what}: {absent[0]} yet. Pods retry; the run is refused {patience} after their start"
        )
    return ReadyReason("Loading", f"{what}{_stopped(context, candidate)}")


def _stopped(context: Context, candidate: Candidate) -> str:
    """Return what stops the steps that follow, as the end of a sentence; "" if nothing does."""
    if context.spec.suspend:
        return ". Suspended (spec.suspend): no step follows"
    if candidate.pause is None:
        return ""
    resume = f"To go on: kubectl serin resume {context.resource.name}"
    return f". Paused{describe_pause(candidate.pause)}: no step follows. {resume}"


def _lost_runs(context: Context) -> list[str]:
    """Return why pods, ready or not, cannot load a run that users are or may be served by, stable or on its way there.

    On such a pod the stable run, or the rules, serve the users of the candidate; the rules those of the stable run.
    """
    stable, candidate = context.status.stable, context.status.candidate
    served = [] if stable is None else [stable.run_id]
    served += [candidate.run_id] if candidate is not None and candidate.state is CandidateState.RUNNING else []
    return [f"a pod cannot load {run}: {reason}" for run in served for reason in _reasons(context, run)]


def _reasons(context: Context, run_id: str) -> list[str]:
    runs = [pod.run(run_id) for pod in context.observed.pods if not pod.deleting]
    return sorted({run.reason for run in runs if run is not None and run.reason and run.state is not LoadState.LOADED})


def is_served(context: Context) -> bool:
    """Return whether all pods confirm the routing, and all ready pods, at least one, have loaded the stable run."""
    stable, ready = context.status.stable, context.ready_pods
    return stable is not None and context.status.propagation.confirmed and bool(ready) and not lacking(context, stable)


def lacking(context: Context, stable: RunInUse) -> int:
    """Return the number of ready pods that have not loaded the stable run."""
    return sum(not has_loaded(pod, stable) for pod in context.ready_pods)


def ready_of_promoted(context: Context) -> Truth:
    """Return the status of Ready beside a problem: True while no rollout is running and the stable run is served."""
    return "True" if context.status.candidate is None and is_served(context) else "Unknown"
