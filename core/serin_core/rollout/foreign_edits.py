"""The rule about a routing that no operator decided: it is replaced, and a running stage starts again."""

from serin_core.api.status import CandidateState
from serin_core.rollout.protocol import Context, Protocol, are_pods_ahead, highest_served
from serin_core.rollout.transition import Transition, place


def routing_was_changed(context: Context, _protocol: Protocol) -> Transition | None:
    """Rule 3: pods have another routing than the decided one: a higher revision replaces it, with a new stage."""
    if not context.has_foreign_routing:
        return None
    status, candidate = context.status, context.status.candidate
    restarted = ""
    if candidate is not None and candidate.state is CandidateState.RUNNING:
        status = status.with_candidate(candidate.restart_stage())
        restarted = f"; the stage of {candidate.run_id} ({place(candidate)}) starts again"
    run = candidate or status.stable
    message = f"{_change(context)}{restarted}"
    return Transition(status, "" if run is None else run.run_id, message, is_warning=True)


def _change(context: Context) -> str:
    found, decided = context.observed.routing, context.status.propagation.revision
    is_older = found is not None and found.document is not None and found.document.revision <= decided
    if is_older and are_pods_ahead(context):
        return (
            f"Pods serve revision {highest_served(context)} of the routing, and the status has {decided}, as after a "
            "restore of the cluster from an older backup: a higher revision replaces both"
        )
    editors = "" if found is None or not found.editors else f" by {', '.join(found.editors)}"
    change = "was deleted" if found is None else f"was changed{editors}"
    if found is not None and not found.has_owner:
        change = f"has lost its owner reference, and {change}"
    return f"The routing ConfigMap {change}: reverted"
