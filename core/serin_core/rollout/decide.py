"""The decision: from what was gathered to the next status and the writes that make it true. Pure.

One pass: answer requests, note what Kubernetes and Prometheus say, take at most one transition, give the routing its
revision, say how things stand. `now` is the only clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from serin_core import gates
from serin_core.api.status import Candidate, Condition, HistoryEntry, Propagation, Status, TrialState
from serin_core.contract.documents import RoutingDocument
from serin_core.contract.names import ANNOTATION_TEMPLATE
from serin_core.contract.pod_report import PodReport
from serin_core.counting import StageCounts
from serin_core.kubernetes import manifests
from serin_core.rollout import conditions, manual_actions
from serin_core.rollout.canary_steps import soak_elapsed, soak_of
from serin_core.rollout.observation import Observed, Resource, RulesText
from serin_core.rollout.promotion import soaking
from serin_core.rollout.protocol import (
    CRASH_WINDOW,
    PROTOCOL,
    Context,
    Protocol,
    routing_document,
    serves_the_routing,
    withdraws_run,
)
from serin_core.rollout.table import TABLE, Row, take_first
from serin_core.rollout.transition import NO_EVIDENCE, STAGE_RESET, Transition
from serin_core.rollout.writes import Write, plan

HISTORY = 20
CHECKPOINT_EVERY = timedelta(minutes=5)
RESYNC = timedelta(minutes=10)
SOON = timedelta(seconds=1)
_CARRIED_BY_EVIDENCE = frozenset({"Raised", "Promoted", "AtCap"})
_WORTH_AN_EVENT = frozenset(
    {
        "MetricsUnavailable",
        "NoGate",
        "PodsUnavailable",
        "RulesUnavailable",
        "ImageRefused",
        "ChildConflict",
        "ChildRefused",
    }
)


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something to tell people in an Event."""

    reason: str
    message: str
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What one pass has decided."""

    status: Status
    writes: tuple[Write, ...]
    announcements: tuple[Announcement, ...]
    requeue_after: timedelta


def decide(
    resource: Resource,
    observed: Observed,
    now: datetime,
    *,
    protocol: Protocol = PROTOCOL,
    table: Sequence[Row] = TABLE,
) -> Decision:
    """Decide what `resource` becomes, from what was `observed` at `now`."""
    before = resource.status or Status()
    context = Context(resource=resource, status=before, observed=observed, now=now, template="")
    is_foreign = protocol.is_foreign_edit(context)
    context = _onto(context, _answer_requests(context))
    context = _onto(context, _note_crashes(context, protocol))
    context = _onto(context, soaking(context))
    context = _onto(context, _judge(context))
    context = _onto(context, _note_confirmation(context, protocol))
    taken = take_first(context, protocol, table)
    if taken is not None:
        context = _onto(context, _record(context, *taken))
    context = _onto(context, _note_registry(context))
    context = _onto(context, _revise(context, protocol, before=before, is_foreign=is_foreign))
    context = _onto(
        context,
        context.status.model_copy(
            update={
                "conditions": conditions.conditions(context),
                "phase": conditions.phase(context),
                "observed_generation": resource.generation,
            }
        ),
    )
    return Decision(
        status=context.status,
        writes=plan(context, before=resource.status, document=_document(context, protocol)),
        announcements=_announcements(context, before=before, taken=taken, is_foreign=is_foreign),
        requeue_after=timedelta() if taken is not None else _when_to_look_again(context),
    )


def _onto(context: Context, status: Status) -> Context:
    """Answer the look at another status, whose runs may amount to another pod template."""
    is_same = bool(context.template) and _made_of(context, context.status) == _made_of(context, status)
    return replace(context, status=status, template=context.template if is_same else _template(context, status))


def _made_of(context: Context, status: Status) -> tuple[object, ...]:
    """Answer all of a status that a pod template is rendered from."""
    return status.pod_runs, status.pod_attempt, manifests.registry(context.resource, status)


def _template(context: Context, status: Status) -> str:
    rules = context.observed.rules
    if isinstance(rules, RulesText) and not context.observed.image.refusal:
        model = manifests.model(context.resource, status, rules)
        name = model["metadata"]["name"]
        rendered = manifests.pod_template(context.resource, status, model_name=name, image=context.observed.image)
        return manifests.template_hash(rendered)
    # What cannot be rendered now stays as it is: nothing is replaced on that account.
    deployment = context.observed.children.get(("Deployment", context.resource.name))
    live = {} if deployment is None else deployment.live["spec"]["template"]["metadata"].get("annotations", {})
    return str(live.get(ANNOTATION_TEMPLATE, ""))


def _answer_requests(context: Context) -> Status:
    if context.resource.status is None:
        found = manual_actions.unanswered(context.resource, context.status)
        return manual_actions.answer(context.status, found, manual_actions.NEW_OBJECT, now=context.now)
    status = manual_actions.ignore_what_cannot_act(context)
    return manual_actions.note_promote_full(replace(context, status=status))


def _note_crashes(context: Context, protocol: Protocol) -> Status:
    if context.status.trial is None:
        return context.status.model_copy(update={"crashes": ()})
    seen = [crash for pod in context.observed.pods for crash in pod.crashes if protocol.is_counted(context, pod, crash)]
    known = {(crash.pod, crash.restart): crash for crash in (*context.status.crashes, *seen)}
    recent = tuple(crash for crash in known.values() if context.now - crash.at <= CRASH_WINDOW)
    return context.status.model_copy(update={"crashes": tuple(sorted(recent, key=lambda crash: (crash.at, crash.pod)))})


def _note_registry(context: Context) -> Status:
    """Remember the registry of the template, which stays while pods are drained (sentence 1)."""
    return context.status.model_copy(update={"pod_registry": manifests.registry(context.resource, context.status)})


def _judge(context: Context) -> Status:
    status, trial, reading = context.status, context.status.trial, context.observed.reading
    if trial is None or trial.stage_started_at is None:
        return status
    if not isinstance(reading, StageCounts):
        # Numbers stay to be seen; without a reading of this very pass they carry no verdict.
        blind = tuple(gate.without_verdict(reading.reason, reading.message) for gate in status.gates)
        return status.model_copy(update={"gates": blind, "no_data_since": status.no_data_since or context.now})
    checkpoint = status.checkpoint
    if checkpoint is None or context.now - checkpoint.at >= CHECKPOINT_EVERY:
        checkpoint = reading.checkpoint(context.now, alive=_processes(context))
    stage = gates.Stage(trial.percent, trial.stage_started_at, _promised_doubt(context, trial))
    judged = gates.judge_stage(context.spec, stage, reading, gates.PreviousCheck.of(status), now=context.now)
    has_data = any(one.gate.total for one in judged) or not judged
    return status.model_copy(
        update={
            "gates": tuple(one.gate for one in judged),
            "memory": {one.gate.name: one.memory for one in judged},
            "checkpoint": checkpoint,
            "no_data_since": None if has_data else status.no_data_since or context.now,
        }
    )


def _processes(context: Context) -> frozenset[str] | None:
    """Answer the server processes that there are, None where a pod has not told its own."""
    reports = [pod.report for pod in context.observed.pods]
    told = frozenset(report.process for report in reports if isinstance(report, PodReport))
    return told if all(isinstance(report, PodReport) for report in reports) else None


def _promised_doubt(context: Context, trial: Candidate) -> float | None:
    """Answer what the run's report promises at the thresholds on trial, as any pod that has loaded the run tells it."""
    reports = (pod.report for pod in context.observed.pods)
    runs = (report.run(trial.run_id) for report in reports if isinstance(report, PodReport))
    quality = next((run.quality for run in runs if run is not None and run.quality is not None), None)
    return gates.expected_low_confidence(quality, trial.thresholds.per_class, trial.thresholds.default)


def _note_confirmation(context: Context, protocol: Protocol) -> Status:
    wanted, found, pods = context.status.propagation, context.observed.routing, context.serving_pods
    is_written = found is not None and found.document is not None and found.document.hash() == wanted.hash
    confirmed = is_written and bool(pods) and protocol.is_confirmed(context)
    update = {
        "confirmed": confirmed,
        "confirmed_at": wanted.confirmed_at or (context.now if confirmed else None),
        "pods": f"{sum(serves_the_routing(pod, context) for pod in pods)}/{len(pods)}",
    }
    return context.status.model_copy(update={"propagation": wanted.model_copy(update=update)})


def _record(context: Context, row: Row, transition: Transition) -> Status:
    """Answer the status after a move, with the move in its history and the numbers that carried it."""
    judged = context.status.gates
    carried = "; ".join(gates.describe(gate) for gate in judged) if row.event in _CARRIED_BY_EVIDENCE else ""
    percent = 0.0 if transition.status.trial is None else transition.status.trial.percent
    is_served = transition.status.stable is not None and transition.status.stable.run_id == transition.run_id
    entry = HistoryEntry(
        at=context.now,
        run_id=transition.run_id,
        event=row.event,
        message=f"{transition.message} Evidence: {carried}." if carried else transition.message,
        percent=100.0 if is_served else percent,
        by=transition.by,
        gates=judged if carried or row.event in ("Failed", "Aborted") else (),
    )
    return transition.status.model_copy(update={"history": (*transition.status.history, entry)[-HISTORY:]})


def _revise(context: Context, protocol: Protocol, *, before: Status, is_foreign: bool) -> Status:
    """Give the routing a new revision where its document changes, and a stage its number where one begins."""
    status, wanted = context.status, context.status.propagation
    running = status.candidate if status.candidate and status.candidate.state is TrialState.RUNNING else None
    if is_foreign and running is not None:
        running = running.model_copy(update=STAGE_RESET)
        status = status.model_copy(update={"candidate": running} | NO_EVIDENCE)
    begins = running is not None and running.stage is None
    present = protocol.document(replace(context, status=status), revision=wanted.revision, stage=wanted.stage)
    if wanted.revision > 0 and present.hash() == wanted.hash and not begins and not is_foreign:
        return status
    revision = protocol.next_revision(context)
    stage = running.stage if running is not None and running.stage is not None else revision
    if running is not None:
        status = status.model_copy(update={"candidate": running.model_copy(update={"stage": stage})})
    document = protocol.document(replace(context, status=status), revision=revision, stage=stage)
    propagation = Propagation(
        revision=revision,
        stage=stage,
        hash=document.hash(),
        since=context.now,
        pods=f"0/{len(context.serving_pods)}",
        withdraws_run=_takes_away(context, before=before, document=document),
    )
    return status.model_copy(update={"propagation": propagation})


def _document(context: Context, protocol: Protocol) -> RoutingDocument:
    wanted = context.status.propagation
    return protocol.document(context, revision=wanted.revision, stage=wanted.stage)


def _takes_away(context: Context, *, before: Status, document: RoutingDocument) -> bool:
    """Answer whether any document that a pod may still serve shows a run that `document` does not."""
    wanted, found = context.status.propagation, context.observed.routing
    served = [routing_document(replace(context, status=before), revision=wanted.revision, stage=wanted.stage)]
    served += [found.document] if found is not None and found.document is not None else []
    is_pending = wanted.withdraws_run and not wanted.confirmed
    return is_pending or any(withdraws_run(one, document) for one in served)


def _announcements(
    context: Context, *, before: Status, taken: tuple[Row, Transition] | None, is_foreign: bool
) -> tuple[Announcement, ...]:
    told: list[Announcement] = []
    if taken is not None:
        row, transition = taken
        told.append(Announcement(row.event, context.status.history[-1].message, transition.is_warning))
    if is_foreign:
        editors = ", ".join(context.observed.routing.editors) if context.observed.routing is not None else ""
        who = f" by {editors}" if editors else ""
        told.append(Announcement("RoutingPutBack", f"The routing was changed{who}; it is put back.", is_warning=True))
    told += _new_troubles(context, before.conditions)
    return tuple(told)


def _new_troubles(context: Context, before: Sequence[Condition]) -> list[Announcement]:
    known = {condition.reason for condition in before}
    return [
        Announcement(condition.reason, condition.message, is_warning=True)
        for condition in context.status.conditions
        if condition.type == "Ready" and condition.reason in _WORTH_AN_EVENT and condition.reason not in known
    ]


def _when_to_look_again(context: Context) -> timedelta:
    """Answer how long nothing can happen that nobody would tell of."""
    wanted, trial = context.status.propagation, context.status.trial
    if wanted.since is not None and not wanted.confirmed and context.observed.pods:
        age = context.now - wanted.since
        return timedelta(milliseconds=250) if age < 20 * SOON else 2 * SOON
    if trial is None:
        return RESYNC
    if trial.stage_started_at is None:
        return SOON
    left = soak_of(context.spec.canary, percent=trial.percent) - soak_elapsed(trial, now=context.now)
    interval = context.spec.analysis.interval
    return min(interval, max(left, SOON / 10)) if left > timedelta() else interval
