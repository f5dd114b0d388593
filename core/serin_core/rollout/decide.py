"""The decision: from an observation to the next status and the writes that make it true. Pure.

One pass: answer requests, take in what Kubernetes and Prometheus show, take at most one transition, give the routing
its revision, set the conditions. `now` is the only clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from serin_core.api.base import shortened
from serin_core.api.record import TransitionRecord
from serin_core.api.resource import Resource, Unwritten
from serin_core.api.status import HistoryEntry, Status
from serin_core.contract.names import ANNOTATION_TEMPLATE
from serin_core.gates import messages
from serin_core.kubernetes import manifests, pod_objects, pod_template
from serin_core.kubernetes.inputs import RulesText
from serin_core.rollout import (
    bake,
    checks,
    conditions,
    destinations,
    drift,
    hold_reasons,
    manual_actions,
    notifications,
    propagation,
    restore,
    scale,
    stage_evidence,
    supervision,
    trials,
)
from serin_core.rollout.announcements import Announcement, announcements
from serin_core.rollout.attempts import note_attempt
from serin_core.rollout.bounded_texts import bounded
from serin_core.rollout.checks import CheckCall
from serin_core.rollout.forgotten_requests import forget_oldest
from serin_core.rollout.lost_pods import note_silence
from serin_core.rollout.observation import Observed
from serin_core.rollout.progress import update_progress
from serin_core.rollout.promotion import update_soak
from serin_core.rollout.protocol import PROTOCOL, Context, Protocol
from serin_core.rollout.reduced_status import reduced
from serin_core.rollout.scheduling import RESYNC, next_check
from serin_core.rollout.table import TABLE, Row, take_first
from serin_core.rollout.transition import Transition
from serin_core.rollout.unwritten_counts import unwritten
from serin_core.rollout.writes import PutStatus, Write, plan

__all__ = ["HISTORY", "RESYNC", "Announcement", "Decision", "decide"]

HISTORY: Final = 20
MAX_MESSAGE: Final = 2000
"""Characters of a message in the history."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of one pass."""

    status: Status
    writes: tuple[Write, ...]
    announcements: tuple[Announcement, ...]
    requeue_after: timedelta
    transition: TransitionRecord | None = None
    """What the record of the trial keeps of the transition that was taken."""
    calls: tuple[CheckCall, ...] = ()
    """Requests to check endpoints that are to be made now, once the status is written."""
    unwritten: Unwritten | None = None
    """Since when the status waits to be written; None if the cluster has it once `writes` are done."""


def decide(
    resource: Resource,
    observed: Observed,
    now: datetime,
    *,
    protocol: Protocol = PROTOCOL,
    table: Sequence[Row] = TABLE,
) -> Decision:
    """Decide what becomes of `resource`, from what was `observed` at `now`."""
    before = resource.status or Status()
    context = Context(resource=resource, status=before, observed=observed, now=now, template="")
    context = replace(context, has_foreign_routing=protocol.is_foreign_edit(context))
    context = _with(context, manual_actions.ignore_what_cannot_act(context))
    context = _with(context, stage_evidence.note_crashes(context, protocol))
    context = _with(context, update_soak(context))
    context = _with(context, update_progress(context))
    context = _with(context, bake.update_clock(context))
    context = _with(context, note_silence(context))
    context = _with(context, stage_evidence.judge(context))
    context = _with(context, propagation.note_confirmation(context, protocol))
    context = _with(context, supervision.forget_gone_pods(context))
    context = _with(context, checks.note_answers(context, protocol))
    taken = take_first(context, protocol, table)
    transition = None
    if taken is not None:
        at_that_moment, context = context, _with(context, _record(context, *taken))
        transition = trials.transition_record(at_that_moment, context.status.history[-1])
    else:
        context = _with(context, checks.begin(context, protocol))
    context = _with(context, note_attempt(context.status))
    context = _with(context, trials.number(context, before=before))
    context = _with(context, restore.remember_earlier(context, before=before))
    # The registry of the template stays while pods are drained (rule 1).
    context = _with(context, context.status.changed(pod_registry=manifests.registry(resource, context.status)))
    context = _with(context, propagation.revise(context, protocol, before=before))
    context = _with(context, trials.note_rollback(context, before=before, taken=taken))
    context = _with(context, forget_oldest(context))
    context = _with(context, _settled(context))
    context = _with(context, hold_reasons.note_hold(context))
    context = _with(context, scale.note_scale(context))
    context = _with(context, drift.note_drift(context))
    found = conditions.conditions(context)
    final = context.status.changed(
        conditions=found,
        ready_reason_since=conditions.ready_reason_since(before, found, now),
        phase=conditions.phase(context),
        observed_generation=resource.generation,
    )
    context = _with(context, final)
    events = announcements(context, before=before, taken=taken)
    context = replace(context, status=bounded(notifications.queue(context, events, before)))
    if observed.status_refusal:
        context = replace(context, status=reduced(context))
    decision = Decision(
        status=context.status,
        writes=plan(context, before=resource.written, document=propagation.document(context, protocol)),
        announcements=(*events, *notifications.dropped_events(context, before.notifications)),
        requeue_after=timedelta() if taken is not None else next_check(context),
        transition=transition,
        calls=checks.calls(context, protocol) if taken is None else (),
    )
    return _without_counts(decision, context)


def _without_counts(decision: Decision, context: Context) -> Decision:
    """Return the decision without its only write, if that would write nothing but counts and can wait."""
    is_heard = decision.transition is not None or decision.announcements or decision.calls
    if is_heard or len(decision.writes) != 1 or not isinstance(decision.writes[0], PutStatus):
        return decision
    wait = unwritten(context.resource, decision.status, now=context.now, next_check=decision.requeue_after)
    return decision if wait is None else replace(decision, writes=(), unwritten=wait)


def _settled(context: Context) -> Status:
    found = destinations.settle(context.status.notifications, context.spec, context.observed.destinations)
    return context.status.changed(notifications=found)


def _with(context: Context, status: Status) -> Context:
    """Return the context with another status, whose runs may lead to another pod template."""
    if status is context.status and context.template:
        return context
    is_same = bool(context.template) and _template_inputs(context, context.status) == _template_inputs(context, status)
    return replace(context, status=status, template=context.template if is_same else _template(context, status))


def _template_inputs(context: Context, status: Status) -> tuple[object, ...]:
    """Return everything in a status that a pod template is rendered from."""
    return status.pod_runs, status.pod_attempt, manifests.registry(context.resource, status)


def _template(context: Context, status: Status) -> str:
    rules = context.observed.rules
    if isinstance(rules, RulesText) and context.observed.image.is_allowed:
        return pod_template.hash_of(pod_objects.template(context.resource, status, rules, context.observed.image))
    # A template that cannot be rendered now stays as it is, so that no pod is replaced.
    deployment = context.observed.children.get(("Deployment", context.resource.name))
    live = {} if deployment is None else deployment.live["spec"]["template"]["metadata"].get("annotations", {})
    return str(live.get(ANNOTATION_TEMPLATE, ""))


def _record(context: Context, row: Row, transition: Transition) -> Status:
    """Return the status after a transition, with a history entry that holds the evidence at that moment."""
    evidence = "; ".join(map(messages.describe, context.acting_gates)) if transition.is_proven else ""
    entry = HistoryEntry(
        at=context.now,
        run_id=transition.run_id,
        event=row.event,
        message=shortened(f"{transition.message}: {evidence}" if evidence else transition.message, MAX_MESSAGE),
        evidence=shortened("; ".join(map(messages.describe, trials.gates_of_the_stage(context))), MAX_MESSAGE),
        percent=trials.percent_of(transition.status, transition.run_id),
        by=transition.by,
    )
    return transition.status.changed(history=(*transition.status.history, entry)[-HISTORY:])
