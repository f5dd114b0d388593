"""The rules of the rollout protocol, each a pure predicate over one `Context`. Numbers refer to docs/contracts.md.

Transitions ask only these about the cluster. `Protocol` collects them, so that the protocol's tests can remove one at
a time and must then see an invariant break.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from serin_core.api.check_status import CheckStatus, CheckVerdict
from serin_core.api.gate_status import GateRole, GateStatus
from serin_core.api.resource import Resource
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Candidate, CandidateState, Crash, RunInUse, Status
from serin_core.contract.documents import CandidateRun, RoutingDocument, ServedRun, Thresholds
from serin_core.contract.pod_report import LoadState, PodReport
from serin_core.contract.routing import is_out_of_reach, salt
from serin_core.evidence.counts import Verdict
from serin_core.rollout.check_questions import CheckAnswer, questions
from serin_core.rollout.holds import Hold, hold
from serin_core.rollout.observation import NoAnswer, Observed, PodSeen, RoutingSeen

CRASHES = 3
CRASH_WINDOW = timedelta(minutes=10)
AHEAD_AFTER = timedelta(seconds=10)
"""Age of the decided revision from which on pods that serve a higher one are acted on."""
ABSENT_PATIENCE = timedelta(minutes=4)
"""How long a pod may report a run as absent before its rollout ends: Git is often faster than a copy of the run.

Shorter than the time after which a pod without its stable run becomes ready (rule 5), so that the former template is
restored before pods that serve only the rules replace those that serve the stable run.
"""


@dataclass(frozen=True, slots=True)
class Context:
    """One check of one resource: what was observed, what was decided so far, and the time."""

    resource: Resource
    status: Status
    observed: Observed
    now: datetime
    template: str
    """Hash of the pod template that spec and status lead to."""
    has_foreign_routing: bool = False
    """Whether someone else changed the routing, as found before anything was decided."""

    @property
    def spec(self) -> SuggestionModelSpec:
        """The desired state."""
        return self.resource.spec

    @property
    def serving_pods(self) -> tuple[PodSeen, ...]:
        """Pods that may serve requests, ready or not, terminating or not."""
        return tuple(pod for pod in self.observed.pods if pod.started)

    @property
    def ready_pods(self) -> tuple[PodSeen, ...]:
        """Pods that get traffic."""
        return tuple(pod for pod in self.observed.pods if pod.ready and not pod.deleting)

    @property
    def acting_gates(self) -> tuple[GateStatus, ...]:
        """Gates of the stage that must pass before it may end."""
        return tuple(gate for gate in self.status.gates if gate.role is GateRole.ACTING)

    @property
    def failed_gates(self) -> tuple[GateStatus, ...]:
        """Gates of the stage that failed and may cause a rollback."""
        failed = (gate for gate in self.status.gates if gate.verdict is Verdict.FAIL)
        return tuple(gate for gate in failed if gate.role is not GateRole.DRY_RUN)

    @property
    def undecided_gates(self) -> tuple[str, ...]:
        """Names of the acting gates that have not passed."""
        return tuple(gate.name for gate in self.acting_gates if gate.verdict is not Verdict.PASS)

    @property
    def has_passed(self) -> bool:
        """Whether every acting gate passes, and there is at least one."""
        return bool(self.acting_gates) and not self.undecided_gates

    @property
    def is_judged(self) -> bool:
        """Whether verdicts may be acted on: gates were judged at this check, or a promote-full request skips them."""
        rollout = self.status.rollout
        is_skipped = rollout is not None and bool(rollout.promote_full) and rollout.bake is None
        return self.observed.has_new_reading or is_skipped

    @property
    def stage_started_at(self) -> datetime | None:
        """Start of the current stage of a rollout; None while none has started."""
        return None if self.status.rollout is None else self.status.rollout.stage_started_at

    @property
    def is_stopped(self) -> bool:
        """Whether a user has stopped the rollout: `spec.suspend`, or a pause. No soak and no step meanwhile."""
        rollout = self.status.rollout
        return self.spec.suspend or (rollout is not None and rollout.pause is not None)

    @property
    def is_overdue(self) -> bool:
        """Whether the current stage has lasted for analysis.maxDuration."""
        started = self.stage_started_at
        return started is not None and self.now - started >= self.spec.analysis.max_duration


def serves_the_routing(pod: PodSeen, context: Context) -> bool:
    """Return whether the pod reports that it serves exactly the document that was decided."""
    wanted = context.status.propagation
    report = pod.report
    return (
        isinstance(report, PodReport)
        and report.uid == context.resource.uid
        and report.revision == wanted.revision
        and report.hash == wanted.hash
    )


def is_confirmed(context: Context) -> bool:
    """Rule 2: every existing pod of this resource, ready or not, serves the decided revision and hash."""
    return all(serves_the_routing(pod, context) for pod in context.serving_pods)


def is_drained(context: Context) -> bool:
    """Rule 1: the routing without candidate is confirmed, or no pod is ready and none runs that does not respond.

    A pod whose node is away is not ready, but may go on serving once the node is back (rule 9).
    """
    is_hidden = any(pod.running_since and isinstance(pod.report, NoAnswer) for pod in context.observed.pods)
    return is_confirmed(context) or not (context.ready_pods or is_hidden)


def may_move_forward(context: Context) -> bool:
    """Rule 2: confirmed, and every ready pod, at least one, has loaded the run and digest of the candidate.

    Rule 6: and the stage counts under the current pod template.
    """
    candidate = context.status.candidate
    if candidate is None or candidate.digest is None or candidate.template != context.template:
        return False
    if not context.ready_pods or not is_confirmed(context):
        return False
    return all(has_loaded(pod, candidate) for pod in context.ready_pods)


def has_loaded(pod: PodSeen, wanted: Candidate | RunInUse) -> bool:
    """Return whether the pod reports that it has loaded exactly this run and digest."""
    found = pod.run(wanted.run_id)
    return found is not None and found.state is LoadState.LOADED and found.digest == wanted.digest


def is_replaced(context: Context) -> bool:
    """Rule 6: every existing pod comes from the current template, and at least one is ready."""
    return bool(context.ready_pods) and all(pod.template == context.template for pod in context.observed.pods)


def is_foreign_edit(context: Context) -> bool:
    """Rule 3: the routing ConfigMap holds something that no operator can have written there, or pods are ahead."""
    found, wanted = context.observed.routing, context.status.propagation
    if wanted.revision == 0 or (found is not None and not found.is_ours):
        return False
    if found is None:
        return wanted.confirmed
    if not found.has_owner or are_pods_ahead(context):
        return True
    if found.document is None or found.document.uid != context.resource.uid:
        return True
    if found.document.revision == wanted.revision:
        return found.document.hash() != wanted.hash
    # A lower revision is an older document of an operator, unless every pod has already confirmed its successor.
    return found.document.revision > wanted.revision or wanted.confirmed


def are_pods_ahead(context: Context) -> bool:
    """Rule 3: a pod serves a higher revision than the decided one, and would ignore every routing up to it.

    The status was restored from an older backup, or somebody has edited the routing and put it back. At most one
    revision in ten seconds is written for this reason, whatever a pod reports.
    """
    wanted = context.status.propagation
    is_settled = wanted.since is not None and context.now - wanted.since >= AHEAD_AFTER
    return is_settled and highest_served(context) > wanted.revision


def highest_served(context: Context) -> int:
    """Return the highest revision in reach that a pod of this resource reports, -1 without one."""
    decided = context.status.propagation.revision
    reports = (pod.report for pod in context.serving_pods if isinstance(pod.report, PodReport))
    served = (report.revision for report in reports if report.uid == context.resource.uid)
    return max((one for one in served if not is_out_of_reach(one, known=decided)), default=-1)


def next_revision(context: Context) -> int:
    """Rule 3: return a revision above every one that was decided, found or served; it never falls.

    One that is out of reach was written by hand, and is not followed; pods ignore one of another uid anyway.
    """
    routing, decided = context.observed.routing, context.status.propagation.revision
    found = None if routing is None else routing.document
    known = max(decided, highest_served(context))
    if found is None or found.uid != context.resource.uid or is_out_of_reach(found.revision, known=decided):
        return known + 1
    return max(known, found.revision) + 1


def routing_to_push(resource: Resource, found: RoutingSeen | None) -> RoutingDocument | None:
    """Rule 18: return the routing that may be sent to pods: the one that was read, if status has decided exactly it."""
    if found is None or not found.is_ours or found.document is None or resource.status is None:
        return None
    wanted = resource.status.propagation
    return found.document if wanted.revision > 0 and found.document.hash() == wanted.hash else None


def is_left_to_push(context: Context, pod: PodSeen) -> bool:
    """Rule 18: a pod that takes pushes needs no annotation, unless the routing withdraws a run or was not taken.

    A revision that this pass has decided is sent to it in the next one.
    """
    wanted = context.status.propagation
    is_due = wanted.since != context.now and not serves_the_routing(pod, context)
    return pod.is_pushed and not wanted.withdraws_run and not is_due


def is_counted(context: Context, pod: PodSeen, crash: Crash) -> bool:
    """Rule 8: a crash during this attempt, in a pod that loads the candidate and is not terminating."""
    rollout = context.status.rollout
    loads_it = rollout is not None and rollout.run_id in pod.runs and crash.at >= rollout.attempt_started_at
    return loads_it and not pod.deleting


def is_crashing(context: Context) -> bool:
    """Rule 8: containers with the candidate crashed three times in ten minutes of this attempt."""
    return len(context.status.crashes) >= CRASHES


def held_by(context: Context) -> Hold | None:
    """Rule 14: return what holds the next step or the promotion now, None if nothing does."""
    rollout = context.status.rollout
    if rollout is None:
        return None
    return hold(context.spec.canary, rollout, context.observed.freezes, at=context.now)


def has_passed_checks(context: Context, to: float) -> bool:
    """Rule 12: every check before the step to this percent was passed for this run, digest, stage and attempt."""
    candidate = context.status.candidate
    if candidate is None:
        return False
    passed = {entry.id for entry in context.status.checks if entry.verdict is CheckVerdict.PASS}
    asked = questions(context.spec, candidate, uid=context.resource.uid, to=to)
    return all(question.id in passed for question in asked)


def is_answer_to(entry: CheckStatus, answer: CheckAnswer) -> bool:
    """Rule 12: an answer to this question, that has not been taken in yet."""
    return answer.id == entry.id and answer.number > entry.answers


def routing_document(context: Context, *, revision: int, stage: int) -> RoutingDocument:
    """Return the routing of a status.

    Rule 1: it names a candidate only while its rollout is in a stage. Rule 11: with how long it may go unwatched.
    """
    status = context.status
    candidate = status.candidate
    served = None
    if candidate is not None and candidate.state is CandidateState.RUNNING and candidate.digest is not None:
        served = CandidateRun(
            run=candidate.run_id,
            digest=candidate.digest,
            thresholds=Thresholds.from_spec(candidate.thresholds),
            calibration=candidate.calibration,
            percent=candidate.served_percent,
            supervision_seconds=context.spec.canary.supervision_timeout.total_seconds() or None,
        )
    document = RoutingDocument(
        uid=context.resource.uid,
        revision=revision,
        stage=stage,
        salt=salt(context.resource.uid, served.run if served else ""),
        shadow=context.spec.shadow or served is not None,
        candidate=served,
        stable=None if status.stable is None else _served(status.stable),
    )
    return document.versioned()


def _served(run: RunInUse) -> ServedRun:
    return ServedRun(
        run=run.run_id, digest=run.digest, thresholds=Thresholds.from_spec(run.thresholds), calibration=run.calibration
    )


@dataclass(frozen=True, slots=True)
class Protocol:
    """All rules that a decision asks."""

    is_drained: Callable[[Context], bool] = is_drained
    is_confirmed: Callable[[Context], bool] = is_confirmed
    may_move_forward: Callable[[Context], bool] = may_move_forward
    is_replaced: Callable[[Context], bool] = is_replaced
    is_foreign_edit: Callable[[Context], bool] = is_foreign_edit
    next_revision: Callable[[Context], int] = next_revision
    is_counted: Callable[[Context, PodSeen, Crash], bool] = is_counted
    is_crashing: Callable[[Context], bool] = is_crashing
    held_by: Callable[[Context], Hold | None] = held_by
    has_passed_checks: Callable[[Context, float], bool] = has_passed_checks
    is_answer_to: Callable[[CheckStatus, CheckAnswer], bool] = is_answer_to
    document: Callable[..., RoutingDocument] = routing_document


PROTOCOL = Protocol()
