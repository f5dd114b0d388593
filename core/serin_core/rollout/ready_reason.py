"""The state of a resource as a reason of its condition Ready: an ordered chain of checks, the first that holds.

Nothing is decided by it. docs/conditions.md lists all reasons.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from serin_core.api.durations import format_duration
from serin_core.api.gate_status import GateStatus
from serin_core.api.status import Candidate, CandidateState
from serin_core.counting.reading import Unreadable
from serin_core.gates.active import acting_gates
from serin_core.gates.queries import acting_queries
from serin_core.kubernetes.hints import with_hint
from serin_core.kubernetes.inputs import RulesMissing
from serin_core.rollout import bake, check_messages, hold_reasons, lost_pods, pod_reasons, scale, supervision
from serin_core.rollout.canary_steps import is_at_cap, soak_of
from serin_core.rollout.protocol import Context
from serin_core.rollout.ready_state import ReadyReason, Truth, stalled
from serin_core.rollout.transition import place, serving

SILENCE: Final = timedelta(seconds=60)
"""Time without any series after which a stage is reported as without metrics."""


def ready_reason(context: Context) -> ReadyReason:
    """Return the first state that holds."""
    return next((found for check in _CHAIN if (found := check(context)) is not None), _running(context))


def _child_is_foreign(context: Context) -> ReadyReason | None:
    foreign = [f"{kind} {name}" for (kind, name), child in context.observed.children.items() if not child.is_ours]
    holds_routing = context.observed.routing is not None and not context.observed.routing.is_ours
    if holds_routing:
        foreign.append("the routing ConfigMap")
    if not foreign:
        return None
    message = f"{', '.join(sorted(foreign))} exists already and belongs to another object; waiting until it is deleted"
    if holds_routing:
        message += ". Until then no routing is written: of a rollback, pods get only the announcement"
    return ReadyReason("ChildConflict", message)


def _rolled_back(context: Context) -> ReadyReason | None:
    candidate = context.status.candidate
    if candidate is None or candidate.state is not CandidateState.ROLLED_BACK:
        return None
    message = (
        f"{candidate.run_id} was rolled back: {candidate.reason}; {serving(context.status)} ({_confirmed(context)}). "
        f"Set spec.runID to another run, or retry it: {_retry(context)}"
    )
    return stalled("RolledBack", message)


def _confirmed(context: Context) -> str:
    serving_pods, pods = context.status.propagation.pods.split("/")
    if context.status.propagation.confirmed:
        return f"{serving_pods} of {pods} pods confirmed"
    unreachable = lost_pods.describe_unreachable(context)
    return f"{serving_pods} of {pods} pods have confirmed{f'; {unreachable}' if unreachable else ''}"


def _retry(context: Context) -> str:
    return f"kubectl serin retry {context.resource.name}"


def _refused(context: Context) -> ReadyReason | None:
    candidate = context.status.candidate
    if candidate is None or candidate.state is not CandidateState.REFUSED:
        return None
    is_named = candidate.reason.startswith(candidate.run_id)
    refusal = candidate.reason if is_named else f"{candidate.run_id} is refused: {candidate.reason}"
    message = f"{refusal}. Set spec.runID to another run, or fix the run and retry it: {_retry(context)}"
    return stalled("RunRefused", message)


def _stopped(context: Context) -> ReadyReason | None:
    candidate = context.status.candidate
    if candidate is None or candidate.state is not CandidateState.STOPPED:
        return None
    percent = context.spec.canary.percent
    still = f" It stays stopped at {percent:g}." if percent > 0 else ""
    again = "its bake goes on" if candidate.bake is not None else "it serves again"
    message = (
        f"{candidate.run_id} is stopped (spec.canary.percent was set to 0); {serving(context.status)} "
        f"({_confirmed(context)}).{still} At 100 {again}, without a new trial"
    )
    return stalled("Stopped", message)


def _not_allowed(context: Context) -> ReadyReason | None:
    image = context.observed.image
    if image.refusal:
        return stalled("ImageRefused", image.refusal)
    return stalled("AnnotationRefused", image.annotation_refusal) if image.annotation_refusal else None


def _rules_missing(context: Context) -> ReadyReason | None:
    match context.observed.rules:
        case RulesMissing(reason=reason):
            kept = "running pods keep the old rules" if context.observed.pods else "no pods are started"
            return ReadyReason("RulesUnavailable", f"{reason}; {kept}")
        case _:
            return None


def _child_refused(context: Context) -> ReadyReason | None:
    if not context.observed.refusals:
        return None
    message = f"The API server refused: {'; '.join(map(with_hint, context.observed.refusals))}"
    return ReadyReason("ChildRefused", message, ready=pod_reasons.ready_of_promoted(context))


def _promoted(context: Context) -> ReadyReason | None:
    stable = context.status.stable
    if context.status.candidate is not None or stable is None:
        return None
    if scale.wanted_replicas(context) == 0 or pod_reasons.is_served(context):
        message = f"{stable.run_id} serves 100 % of users ({_confirmed(context)})"
        return ReadyReason("Promoted", message, ready="True", is_reconciling=False)
    if lacking := pod_reasons.lacking(context, stable):
        message = f"{lacking} ready pods have not loaded {stable.run_id} as {stable.digest}; they serve the rules"
        return ReadyReason("PodsUnavailable", message)
    return ReadyReason("Promoting", f"{stable.run_id} is promoted; {_confirmed(context)}")


def _template_changed(context: Context) -> ReadyReason | None:
    candidate, pods = context.status.candidate, context.observed.pods
    if candidate is None or candidate.template == context.template:
        return None
    replaced = sum(pod.template == context.template for pod in pods)
    message = (
        f"On hold {place(candidate)}: the pod template changed, {replaced} of {len(pods)} pods are replaced; "
        "meanwhile, a failing gate still rolls back"
    )
    return ReadyReason("RolloutProgressing", message, _ready_at_cap(context, candidate))


def _metrics_unavailable(context: Context) -> ReadyReason | None:
    candidate, reading = context.status.candidate, context.observed.reading
    if candidate is None or candidate.stage_started_at is None:
        return None
    match reading:
        case Unreadable(reason="NotAsked"):
            return None
        case Unreadable(message=message):
            problem = message
        case _:
            silent = [gate for gate in context.acting_gates if not gate.has_data and gate.reason != "InitialDelay"]
            if not silent or context.now - candidate.stage_started_at < SILENCE:
                return None
            problem = _without_data(silent)
    message = f"On hold {place(candidate)}: {problem}{_until_data_is_back(context)}"
    return ReadyReason("MetricsUnavailable", message, _ready_at_cap(context, candidate))


def _until_data_is_back(context: Context) -> str:
    """Return since when a stage has no data at all, and what ends that; "" if some gate has data."""
    since, analysis = context.status.no_data_since, context.spec.analysis
    if since is None:
        return ""
    end = since + analysis.no_data_timeout
    rolled_back = f"; rolled back at {end:%H:%M:%S} UTC (onNoData)" if analysis.on_no_data == "Rollback" else ""
    return f" (no data since {since:%Y-%m-%d %H:%M:%S} UTC{rolled_back})"


def _without_data(gates: Iterable[GateStatus]) -> str:
    """Return which gates have no data; for a query, what is wrong with it."""
    gates = tuple(gates)
    counted = ", ".join(gate.name for gate in gates if gate.query is None)
    queries = [f"{gate.name}: {gate.detail or gate.reason}" for gate in gates if gate.query is not None]
    return "; ".join([*([f"no data for {counted}"] if counted else []), *queries])


def _ready_at_cap(context: Context, candidate: Candidate) -> Truth:
    return "True" if candidate.bake or is_at_cap(context.spec.canary, candidate) else "Unknown"


def _at_cap(context: Context) -> ReadyReason | None:
    candidate = context.status.candidate
    if candidate is None or not is_at_cap(context.spec.canary, candidate) or not context.status.propagation.confirmed:
        return None
    cap = f"{candidate.percent:g} % (spec.canary.percent)"
    message = f"{candidate.run_id} has passed all gates at its cap of {cap}, and stays there"
    return ReadyReason("AtCap", message, ready="True", is_reconciling=False)


def _baking(context: Context) -> ReadyReason | None:
    candidate = context.status.candidate
    if candidate is None or candidate.bake is None:
        return None
    share = f"{candidate.run_id} serves {candidate.served_percent:g} % of users"
    if not context.status.propagation.confirmed or candidate.stage_started_at is None:
        return ReadyReason("Baking", f"{share}; waiting for all pods to serve it, {_confirmed(context)}")
    against = "the rules" if context.status.stable is None else context.status.stable.run_id
    kept = f"{candidate.holdback:g} % stay with {against}" if candidate.holdback else f"compared with {against}"
    message = f"{share} and bakes, {kept}; {bake.describe_end(context, candidate)}"
    return ReadyReason("Baking", message, ready="True", is_reconciling=False)


def _no_gate(context: Context) -> ReadyReason | None:
    candidate = context.status.candidate
    if candidate is None or acting_gates(context.spec, percent=candidate.percent):
        return None
    if acting_queries(context.spec, percent=candidate.percent):
        return None
    return ReadyReason("NoGate", f"On hold {place(candidate)}: no gate judges this stage; edit spec.gates")


def _undecided(context: Context) -> ReadyReason | None:
    candidate, waits = context.status.candidate, context.undecided_gates
    if candidate is None or not context.is_overdue or not waits:
        return None
    message = (
        f"On hold {place(candidate)}: no verdict in {format_duration(context.spec.analysis.max_duration)} "
        f"(maxDuration), waiting for {', '.join(waits)}. "
        f"To go on or to stop: kubectl serin promote {context.resource.name}, "
        f"or kubectl serin abort {context.resource.name}"
    )
    return ReadyReason("Undecided", message)


def _running(context: Context) -> ReadyReason:
    candidate = context.status.candidate
    if candidate is None:
        return ReadyReason("Pending", "No rollout has started yet")
    stage = hold_reasons.describe_stage(context, candidate)
    if candidate.stage_started_at is None:
        return ReadyReason("RolloutProgressing", f"{stage}: waiting for all pods to serve it, {_confirmed(context)}")
    waits = [f"evidence for {', '.join(context.undecided_gates)}"] if context.undecided_gates else []
    until = _soaked_at(context, candidate)
    waits += [] if until is None else [f"the soak of {_soak(context, candidate)} (until {until:%Y-%m-%d %H:%M:%S} UTC)"]
    follows = hold_reasons.what_follows(context, candidate, at=until or context.now)
    waiting = f"{stage}: waiting for {' and '.join(waits) or 'confirmation by all pods'}{follows}"
    return ReadyReason("RolloutProgressing", f"{waiting}{supervision.lapse_in_stage(context)}")


def _soaked_at(context: Context, candidate: Candidate) -> datetime | None:
    """Return when the soak will be over, None if it is, or while its timer is stopped."""
    soak = soak_of(context.spec.canary, percent=candidate.percent)
    return None if soak <= candidate.soak.at(context.now) else candidate.soak.ends_at(soak)


def _soak(context: Context, candidate: Candidate) -> str:
    return format_duration(soak_of(context.spec.canary, percent=candidate.percent))


_CHAIN: Final[tuple[Callable[[Context], ReadyReason | None], ...]] = (
    _child_is_foreign,
    _not_allowed,
    _rolled_back,
    _refused,
    _stopped,
    _rules_missing,
    _child_refused,
    pod_reasons.deadline_exceeded,
    pod_reasons.pods_unavailable,
    _promoted,
    pod_reasons.before_running,
    _template_changed,
    _metrics_unavailable,
    _at_cap,
    _baking,
    hold_reasons.suspended,
    hold_reasons.paused,
    check_messages.unknown_endpoint,
    check_messages.pending,
    hold_reasons.held,
    _no_gate,
    _undecided,
)
