"""The rollout protocol's sentences (contracts, 2), each a pure predicate over one `Context`.

`decide` asks only these before it moves. They are gathered in `Protocol`, so that the protocol's test can take out
one at a time and must see an invariant break.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Candidate, Crash, RunInUse, Status, TrialState
from serin_core.contract.documents import CandidateRun, RoutingDocument, ServedRun
from serin_core.contract.pod_report import LoadState, PodReport
from serin_core.contract.routing import salt
from serin_core.rollout.observation import Observed, PodSeen, Resource

CRASHES = 3
CRASH_WINDOW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Context:
    """One look at one resource: what was gathered, what was decided so far, and when."""

    resource: Resource
    status: Status
    observed: Observed
    now: datetime
    template: str
    """The hash of the pod template that spec and status amount to."""

    @property
    def spec(self) -> SuggestionModelSpec:
        """Answer what is wanted."""
        return self.resource.spec

    @property
    def serving_pods(self) -> tuple[PodSeen, ...]:
        """Answer every pod that may be answering somebody, ready or not, being deleted or not."""
        return tuple(pod for pod in self.observed.pods if pod.started)

    @property
    def ready_pods(self) -> tuple[PodSeen, ...]:
        """Answer the pods that get traffic."""
        return tuple(pod for pod in self.observed.pods if pod.ready and not pod.deleting)


def serves_the_routing(pod: PodSeen, context: Context) -> bool:
    """Answer whether this pod says that it serves the very document that is wanted."""
    wanted = context.status.propagation
    report = pod.report
    return (
        isinstance(report, PodReport)
        and report.uid == context.resource.uid
        and report.revision == wanted.revision
        and report.hash == wanted.hash
    )


def is_confirmed(context: Context) -> bool:
    """2: every existing pod of this uid, ready or not, serves revision and hash, or is gone."""
    return all(serves_the_routing(pod, context) for pod in context.serving_pods)


def is_drained(context: Context) -> bool:
    """1: the routing without candidate is confirmed; where no pod is ready, nothing is waited for."""
    return not context.ready_pods or is_confirmed(context)


def may_move_forward(context: Context) -> bool:
    """2: confirmed, and every ready pod, at least one, has loaded the candidate's very run and digest.

    6: and the stage counts under the template that is wanted.
    """
    candidate = context.status.candidate
    if candidate is None or candidate.digest is None or candidate.template != context.template:
        return False
    if not context.ready_pods or not is_confirmed(context):
        return False
    return all(has_loaded(pod, candidate) for pod in context.ready_pods)


def has_loaded(pod: PodSeen, wanted: Candidate | RunInUse) -> bool:
    """Answer whether this pod says that it has loaded this very run and digest."""
    found = pod.report.run(wanted.run_id) if isinstance(pod.report, PodReport) else None
    return found is not None and found.state is LoadState.LOADED and found.digest == wanted.digest


def is_replaced(context: Context) -> bool:
    """6: every existing pod comes from the wanted template, and at least one is ready."""
    return bool(context.ready_pods) and all(pod.template == context.template for pod in context.observed.pods)


def is_foreign_edit(context: Context) -> bool:
    """3: the routing ConfigMap holds what no writer of ours would have left there."""
    found, wanted = context.observed.routing, context.status.propagation
    if wanted.revision == 0 or (found is not None and not found.is_ours):
        return False
    if found is None:
        return wanted.confirmed
    if found.document is None or found.document.uid != context.resource.uid:
        return True
    if found.document.revision == wanted.revision:
        return found.document.hash() != wanted.hash
    # A lower one is a document of ours whose successor was not written yet, unless that one was seen by every pod.
    return found.document.revision > wanted.revision or wanted.confirmed


def next_revision(context: Context) -> int:
    """3: above every revision decided or found; a writer never lowers it."""
    found = context.observed.routing
    found_revision = found.document.revision if found is not None and found.document is not None else 0
    return max(context.status.propagation.revision, found_revision) + 1


def is_counted(context: Context, pod: PodSeen, crash: Crash) -> bool:
    """8: a bad end of this attempt, in a pod that loads the candidate and is not being deleted."""
    trial = context.status.trial
    loads_it = trial is not None and trial.run_id in pod.runs and crash.at >= trial.attempt_started_at
    return loads_it and not pod.deleting


def is_crashing(context: Context) -> bool:
    """8: the candidate's containers ended badly three times in ten minutes of this attempt."""
    return len(context.status.crashes) >= CRASHES


def withdraws_run(before: RoutingDocument, after: RoutingDocument) -> bool:
    """7: a pod that goes on with `before` may answer somebody by a run that may not answer them any more."""
    shown, kept = _identity(before.candidate), _identity(after.candidate)
    stable, follower = _identity(before.stable), _identity(after.stable)
    if shown is not None and shown == follower:
        # Promoted: whoever goes on with `before` is answered by the same run.
        return False
    is_lowered = before.candidate and after.candidate and after.candidate.percent < before.candidate.percent
    return (shown is not None and shown != kept) or bool(is_lowered) or (stable is not None and stable != follower)


def _identity(run: ServedRun | None) -> tuple[str, str] | None:
    return None if run is None else (run.run, run.digest)


def routing_document(context: Context, *, revision: int, stage: int) -> RoutingDocument:
    """1: the document that status amounts to; a candidate appears only while its trial is running."""
    status = context.status
    candidate = status.candidate
    served = None
    if candidate is not None and candidate.state is TrialState.RUNNING and candidate.digest is not None:
        served = CandidateRun(
            run=candidate.run_id,
            digest=candidate.digest,
            thresholds=candidate.thresholds.served(),
            calibration=candidate.calibration,
            percent=candidate.percent,
        )
    return RoutingDocument(
        uid=context.resource.uid,
        revision=revision,
        stage=stage,
        salt=salt(context.resource.uid, served.run if served else ""),
        shadow=context.spec.shadow or served is not None,
        candidate=served,
        stable=None if status.stable is None else _served(status.stable),
    )


def _served(run: RunInUse) -> ServedRun:
    return ServedRun(run=run.run_id, digest=run.digest, thresholds=run.thresholds.served(), calibration=run.calibration)


@dataclass(frozen=True, slots=True)
class Protocol:
    """All sentences that a decision asks."""

    is_drained: Callable[[Context], bool] = is_drained
    is_confirmed: Callable[[Context], bool] = is_confirmed
    may_move_forward: Callable[[Context], bool] = may_move_forward
    is_replaced: Callable[[Context], bool] = is_replaced
    is_foreign_edit: Callable[[Context], bool] = is_foreign_edit
    next_revision: Callable[[Context], int] = next_revision
    is_counted: Callable[[Context, PodSeen, Crash], bool] = is_counted
    is_crashing: Callable[[Context], bool] = is_crashing
    document: Callable[..., RoutingDocument] = routing_document


PROTOCOL = Protocol()
