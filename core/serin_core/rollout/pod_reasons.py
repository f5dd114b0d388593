"""Reasons of the condition Ready while pods keep a resource from what its spec asks for."""

from serin_core.api.durations import format_duration
from serin_core.rollout import progress
from serin_core.rollout.protocol import Context
from serin_core.rollout.ready_state import ReadyReason, stalled


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
