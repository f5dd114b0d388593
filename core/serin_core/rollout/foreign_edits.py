"""The rule about changes of the routing that no operator made: they are reverted, and a running stage starts again."""

from serin_core.api.status import CandidateState
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import Transition, place


def routing_was_changed(context: Context, _protocol: Protocol) -> Transition | None:
    """Rule 3: someone else changed the routing: a higher revision reverts it, and what it caused is no evidence."""
    if not context.has_foreign_routing:
        return None
    found, status, candidate = context.observed.routing, context.status, context.status.candidate
    editors = "" if found is None or not found.editors else f" by {', '.join(found.editors)}"
    change = "was deleted" if found is None else f"was changed{editors}"
    if found is not None and not found.has_owner:
        change = f"has lost its owner reference, and {change}"
    restarted = ""
    if candidate is not None and candidate.state is CandidateState.RUNNING:
        status = status.with_candidate(candidate.restart_stage())
        restarted = f"; the stage of {candidate.run_id} ({place(candidate)}) starts again"
    message = f"The routing ConfigMap {change}: reverted{restarted}"
    run = candidate or status.stable
    return Transition(status, "" if run is None else run.run_id, message, is_warning=True)
