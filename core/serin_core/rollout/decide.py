"""The decision: from what was gathered to the next status and the writes that make it true. Pure.

One pass: answer requests, note what Kubernetes and Prometheus say, take at most one transition, give the routing its
revision, say how things stand. `now` is the only clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from serin_core import gates
from serin_core.api.status import Candidate, Condition, Propagation, Status, Transition, TrialState
from serin_core.contract.documents import RoutingDocument
from serin_core.contract.names import ANNOTATION_TEMPLATE
from serin_core.contract.pod_report import PodReport
from serin_core.counting import Tallies
from serin_core.evidence import Verdict
from serin_core.kubernetes import manifests as children
from serin_core.rollout import conditions
from serin_core.rollout import manual_actions as requests
from serin_core.rollout.canary_steps import soak_of, soaked
from serin_core.rollout.observation import Observed, Resource, RulesText
from serin_core.rollout.promotion import soaking
from serin_core.rollout.protocol import (
    CRASH_WINDOW,
    PROTOCOL,
    Look,
    Protocol,
    routing_document,
    serves_the_routing,
    takes_away,
)
from serin_core.rollout.table import TABLE, Row, take_first
from serin_core.rollout.transition import COUNT_ANEW, NO_EVIDENCE, Move
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
    look = Look(resource=resource, status=before, observed=observed, now=now, template="")
    is_foreign = protocol.is_foreign_edit(look)
    look = _onto(look, _answer_requests(look))
    look = _onto(look, _note_crashes(look, protocol))
    look = _onto(look, soaking(look))
    look = _onto(look, _judge(look))
    look = _onto(look, _note_confirmation(look, protocol))
    taken = take_first(look, protocol, table)
    if taken is not None:
        look = _onto(look, _record(look, *taken))
    look = _onto(look, _note_registry(look))
    look = _onto(look, _revise(look, protocol, before=before, is_foreign=is_foreign))
    look = _onto(
        look,
        look.status.model_copy(
            update={
                "conditions": conditions.conditions(look),
                "phase": conditions.phase(look),
                "observed_generation": resource.generation,
            }
        ),
    )
    return Decision(
        status=look.status,
        writes=plan(look, before=resource.status, document=_document(look, protocol)),
        announcements=_announcements(look, before=before, taken=taken, is_foreign=is_foreign),
        requeue_after=timedelta() if taken is not None else _when_to_look_again(look),
    )


def _onto(look: Look, status: Status) -> Look:
    """Answer the look at another status, whose runs may amount to another pod template."""
    is_same = bool(look.template) and _made_of(look, look.status) == _made_of(look, status)
    return replace(look, status=status, template=look.template if is_same else _template(look, status))


def _made_of(look: Look, status: Status) -> tuple[object, ...]:
    """Answer all of a status that a pod template is rendered from."""
    return status.pod_runs, status.pod_attempt, children.registry(look.resource, status)


def _template(look: Look, status: Status) -> str:
    rules = look.observed.rules
    if isinstance(rules, RulesText) and not look.observed.image.refusal:
        model = children.model(look.resource, status, rules)
        name = model["metadata"]["name"]
        rendered = children.pod_template(look.resource, status, model_name=name, image=look.observed.image)
        return children.template_hash(rendered)
    # What cannot be rendered now stays as it is: nothing is replaced on that account.
    deployment = look.observed.children.get(("Deployment", look.resource.name))
    live = {} if deployment is None else deployment.live["spec"]["template"]["metadata"].get("annotations", {})
    return str(live.get(ANNOTATION_TEMPLATE, ""))


def _answer_requests(look: Look) -> Status:
    if look.resource.status is None:
        found = requests.unanswered(look.resource, look.status)
        return requests.answer(look.status, found, requests.NEW_OBJECT, now=look.now)
    status = requests.ignore_what_cannot_act(look)
    return requests.note_promote_full(replace(look, status=status))


def _note_crashes(look: Look, protocol: Protocol) -> Status:
    if look.status.trial is None:
        return look.status.model_copy(update={"crashes": ()})
    seen = [crash for pod in look.observed.pods for crash in pod.crashes if protocol.is_counted(look, pod, crash)]
    known = {(crash.pod, crash.restart): crash for crash in (*look.status.crashes, *seen)}
    recent = tuple(crash for crash in known.values() if look.now - crash.at <= CRASH_WINDOW)
    return look.status.model_copy(update={"crashes": tuple(sorted(recent, key=lambda crash: (crash.at, crash.pod)))})


def _note_registry(look: Look) -> Status:
    """Remember the registry of the template, which stays while pods are drained (sentence 1)."""
    return look.status.model_copy(update={"pod_registry": children.registry(look.resource, look.status)})


def _judge(look: Look) -> Status:
    status, trial, reading = look.status, look.status.trial, look.observed.reading
    if trial is None or trial.stage_started_at is None:
        return status
    if not isinstance(reading, Tallies):
        # Numbers stay to be seen; without a reading of this very pass they carry no verdict.
        update = {"verdict": Verdict.INCONCLUSIVE, "reason": reading.reason, "needed": None}
        blind = tuple(gate.model_copy(update=update) for gate in status.gates)
        return status.model_copy(update={"gates": blind, "no_data_since": status.no_data_since or look.now})
    checkpoint = status.checkpoint
    if checkpoint is None or look.now - checkpoint.at >= CHECKPOINT_EVERY:
        checkpoint = reading.checkpoint(look.now, alive=_processes(look))
    stage = gates.Stage(trial.percent, trial.stage_started_at, _promised_doubt(look, trial))
    judged = gates.judge_stage(look.spec, stage, reading, gates.Before.of(status), now=look.now)
    has_data = any(one.gate.total for one in judged) or not judged
    return status.model_copy(
        update={
            "gates": tuple(one.gate for one in judged),
            "memory": {one.gate.name: one.memory for one in judged},
            "checkpoint": checkpoint,
            "no_data_since": None if has_data else status.no_data_since or look.now,
        }
    )


def _processes(look: Look) -> frozenset[str] | None:
    """Answer the server processes that there are, None where a pod has not told its own."""
    reports = [pod.report for pod in look.observed.pods]
    told = frozenset(report.process for report in reports if isinstance(report, PodReport))
    return told if all(isinstance(report, PodReport) for report in reports) else None


def _promised_doubt(look: Look, trial: Candidate) -> float | None:
    """Answer what the run's report promises at the thresholds on trial, as any pod that has loaded the run tells it."""
    reports = (pod.report for pod in look.observed.pods)
    runs = (report.run(trial.run_id) for report in reports if isinstance(report, PodReport))
    quality = next((run.quality for run in runs if run is not None and run.quality is not None), None)
    return gates.promised_doubt(quality, trial.thresholds.per_class, trial.thresholds.default)


def _note_confirmation(look: Look, protocol: Protocol) -> Status:
    wanted, found, pods = look.status.propagation, look.observed.routing, look.serving_pods
    is_written = found is not None and found.document is not None and found.document.hash() == wanted.hash
    confirmed = is_written and bool(pods) and protocol.is_confirmed(look)
    update = {
        "confirmed": confirmed,
        "confirmed_at": wanted.confirmed_at or (look.now if confirmed else None),
        "pods": f"{sum(serves_the_routing(pod, look) for pod in pods)}/{len(pods)}",
    }
    return look.status.model_copy(update={"propagation": wanted.model_copy(update=update)})


def _record(look: Look, row: Row, move: Move) -> Status:
    """Answer the status after a move, with the move in its history and the numbers that carried it."""
    judged = look.status.gates
    carried = "; ".join(gates.describe(gate) for gate in judged) if row.event in _CARRIED_BY_EVIDENCE else ""
    percent = 0.0 if move.status.trial is None else move.status.trial.percent
    is_served = move.status.stable is not None and move.status.stable.run_id == move.run_id
    entry = Transition(
        at=look.now,
        run_id=move.run_id,
        event=row.event,
        message=f"{move.message} Evidence: {carried}." if carried else move.message,
        percent=100.0 if is_served else percent,
        by=move.by,
        gates=judged if carried or row.event in ("Failed", "Aborted") else (),
    )
    return move.status.model_copy(update={"history": (*move.status.history, entry)[-HISTORY:]})


def _revise(look: Look, protocol: Protocol, *, before: Status, is_foreign: bool) -> Status:
    """Give the routing a new revision where its document changes, and a stage its number where one begins."""
    status, wanted = look.status, look.status.propagation
    running = status.candidate if status.candidate and status.candidate.state is TrialState.RUNNING else None
    if is_foreign and running is not None:
        running = running.model_copy(update=COUNT_ANEW)
        status = status.model_copy(update={"candidate": running} | NO_EVIDENCE)
    begins = running is not None and running.stage is None
    present = protocol.document(replace(look, status=status), revision=wanted.revision, stage=wanted.stage)
    if wanted.revision > 0 and present.hash() == wanted.hash and not begins and not is_foreign:
        return status
    revision = protocol.next_revision(look)
    stage = running.stage if running is not None and running.stage is not None else revision
    if running is not None:
        status = status.model_copy(update={"candidate": running.model_copy(update={"stage": stage})})
    document = protocol.document(replace(look, status=status), revision=revision, stage=stage)
    propagation = Propagation(
        revision=revision,
        stage=stage,
        hash=document.hash(),
        since=look.now,
        pods=f"0/{len(look.serving_pods)}",
        takes_away=_takes_away(look, before=before, document=document),
    )
    return status.model_copy(update={"propagation": propagation})


def _document(look: Look, protocol: Protocol) -> RoutingDocument:
    wanted = look.status.propagation
    return protocol.document(look, revision=wanted.revision, stage=wanted.stage)


def _takes_away(look: Look, *, before: Status, document: RoutingDocument) -> bool:
    """Answer whether any document that a pod may still serve shows a run that `document` does not."""
    wanted, found = look.status.propagation, look.observed.routing
    served = [routing_document(replace(look, status=before), revision=wanted.revision, stage=wanted.stage)]
    served += [found.document] if found is not None and found.document is not None else []
    is_pending = wanted.takes_away and not wanted.confirmed
    return is_pending or any(takes_away(one, document) for one in served)


def _announcements(
    look: Look, *, before: Status, taken: tuple[Row, Move] | None, is_foreign: bool
) -> tuple[Announcement, ...]:
    told: list[Announcement] = []
    if taken is not None:
        row, move = taken
        told.append(Announcement(row.event, look.status.history[-1].message, move.is_warning))
    if is_foreign:
        editors = ", ".join(look.observed.routing.editors) if look.observed.routing is not None else ""
        who = f" by {editors}" if editors else ""
        told.append(Announcement("RoutingPutBack", f"The routing was changed{who}; it is put back.", is_warning=True))
    told += _new_troubles(look, before.conditions)
    return tuple(told)


def _new_troubles(look: Look, before: Sequence[Condition]) -> list[Announcement]:
    known = {condition.reason for condition in before}
    return [
        Announcement(condition.reason, condition.message, is_warning=True)
        for condition in look.status.conditions
        if condition.type == "Ready" and condition.reason in _WORTH_AN_EVENT and condition.reason not in known
    ]


def _when_to_look_again(look: Look) -> timedelta:
    """Answer how long nothing can happen that nobody would tell of."""
    wanted, trial = look.status.propagation, look.status.trial
    if wanted.since is not None and not wanted.confirmed and look.observed.pods:
        age = look.now - wanted.since
        return timedelta(milliseconds=250) if age < 20 * SOON else 2 * SOON
    if trial is None:
        return RESYNC
    if trial.stage_started_at is None:
        return SOON
    left = soak_of(look.spec.canary, percent=trial.percent) - soaked(trial, now=look.now)
    interval = look.spec.analysis.interval
    return min(interval, max(left, SOON / 10)) if left > timedelta() else interval
