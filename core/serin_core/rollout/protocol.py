"""The rollout protocol's sentences (contracts, 2), each a pure predicate over one `Look`.

`decide` asks only these before it moves. They are gathered in `Protocol`, so that the protocol's test can take out
one at a time and must see an invariant break.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Candidate, Crash, RunInUse, Status, TrialState
from serin_core.contract.documents import CandidateRun, RoutingDocument, ServedRun
from serin_core.contract.pod_report import LoadState, PodReport
from serin_core.rollout.observation import Observed, PodSeen, Resource

CRASHES = 3
CRASH_WINDOW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Look:
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


def serves_the_routing(pod: PodSeen, look: Look) -> bool:
    """Answer whether this pod says that it serves the very document that is wanted."""
    wanted = look.status.propagation
    report = pod.report
    return (
        isinstance(report, PodReport)
        and report.uid == look.resource.uid
        and report.revision == wanted.revision
        and report.hash == wanted.hash
    )


def is_confirmed(look: Look) -> bool:
    """2: every existing pod of this uid, ready or not, serves revision and hash, or is gone."""
    return all(serves_the_routing(pod, look) for pod in look.serving_pods)


def is_drained(look: Look) -> bool:
    """1: the routing without candidate is confirmed; where no pod is ready, nothing is waited for."""
    return not look.ready_pods or is_confirmed(look)


def may_move_forward(look: Look) -> bool:
    """2: confirmed, and every ready pod, at least one, has loaded the candidate's very run and digest.

    6: and the stage counts under the template that is wanted.
    """
    candidate = look.status.candidate
    if candidate is None or candidate.digest is None or candidate.template != look.template:
        return False
    if not look.ready_pods or not is_confirmed(look):
        return False
    return all(has_loaded(pod, candidate) for pod in look.ready_pods)


def has_loaded(pod: PodSeen, wanted: Candidate | RunInUse) -> bool:
    """Answer whether this pod says that it has loaded this very run and digest."""
    found = pod.report.run(wanted.run_id) if isinstance(pod.report, PodReport) else None
    return found is not None and found.state is LoadState.LOADED and found.digest == wanted.digest


def is_replaced(look: Look) -> bool:
    """6: every existing pod comes from the wanted template, and at least one is ready."""
    return bool(look.ready_pods) and all(pod.template == look.template for pod in look.observed.pods)


def is_foreign_edit(look: Look) -> bool:
    """3: the routing ConfigMap holds what no writer of ours would have left there."""
    found, wanted = look.observed.routing, look.status.propagation
    if wanted.revision == 0 or (found is not None and not found.is_ours):
        return False
    if found is None:
        return wanted.confirmed
    if found.document is None or found.document.uid != look.resource.uid:
        return True
    if found.document.revision == wanted.revision:
        return found.document.hash() != wanted.hash
    # A lower one is a document of ours whose successor was not written yet, unless that one was seen by every pod.
    return found.document.revision > wanted.revision or wanted.confirmed


def next_revision(look: Look) -> int:
    """3: above every revision decided or found; a writer never lowers it."""
    found = look.observed.routing
    found_revision = found.document.revision if found is not None and found.document is not None else 0
    return max(look.status.propagation.revision, found_revision) + 1


def is_counted(look: Look, pod: PodSeen, crash: Crash) -> bool:
    """8: a bad end of this attempt, in a pod that loads the candidate and is not being deleted."""
    trial = look.status.trial
    loads_it = trial is not None and trial.run_id in pod.runs and crash.at >= trial.attempt_started_at
    return loads_it and not pod.deleting


def is_crashing(look: Look) -> bool:
    """8: the candidate's containers ended badly three times in ten minutes of this attempt."""
    return len(look.status.crashes) >= CRASHES


def takes_away(before: RoutingDocument, after: RoutingDocument) -> bool:
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


def routing_document(look: Look, *, revision: int, stage: int) -> RoutingDocument:
    """1: the document that status amounts to; a candidate appears only while its trial is running."""
    status = look.status
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
        uid=look.resource.uid,
        revision=revision,
        stage=stage,
        salt=salt(look.resource.uid, served.run if served else ""),
        shadow=look.spec.shadow or served is not None,
        candidate=served,
        stable=None if status.stable is None else _served(status.stable),
    )


def _served(run: RunInUse) -> ServedRun:
    return ServedRun(run=run.run_id, digest=run.digest, thresholds=run.thresholds.served(), calibration=run.calibration)


def salt(uid: str, run: str) -> str:
    """Answer the salt of the sticky bucket: sha256 of uid and run, in hex."""
    return hashlib.sha256(f"{uid}/{run}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Protocol:
    """All sentences that a decision asks."""

    is_drained: Callable[[Look], bool] = is_drained
    is_confirmed: Callable[[Look], bool] = is_confirmed
    may_move_forward: Callable[[Look], bool] = may_move_forward
    is_replaced: Callable[[Look], bool] = is_replaced
    is_foreign_edit: Callable[[Look], bool] = is_foreign_edit
    next_revision: Callable[[Look], int] = next_revision
    is_counted: Callable[[Look, PodSeen, Crash], bool] = is_counted
    is_crashing: Callable[[Look], bool] = is_crashing
    document: Callable[..., RoutingDocument] = routing_document


PROTOCOL = Protocol()
