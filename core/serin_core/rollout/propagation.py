"""The routing of a status: its revision and stage, who has confirmed it, and whether it withdraws a run."""

from dataclasses import replace

from serin_core.api.status import CandidateState, Propagation, Status
from serin_core.contract.documents import RoutingDocument, ServedRun
from serin_core.rollout.observation import RoutingSeen
from serin_core.rollout.protocol import Context, Protocol, routing_document, serves_the_routing


def note_confirmation(context: Context, protocol: Protocol) -> Status:
    """Return the status with the number of pods that serve the decided routing."""
    wanted, found, pods = context.status.propagation, context.observed.routing, context.serving_pods
    is_written = found is not None and found.document is not None and found.document.hash() == wanted.hash
    confirmed = is_written and bool(pods) and protocol.is_confirmed(context)
    serving = f"{sum(serves_the_routing(pod, context) for pod in pods)}/{len(pods)}"
    return context.status.changed(propagation=wanted.seen(confirmed=confirmed, pods=serving, now=context.now))


def document(context: Context, protocol: Protocol) -> RoutingDocument:
    """Return the routing document that was decided."""
    wanted = context.status.propagation
    return protocol.document(context, revision=wanted.revision, stage=wanted.stage)


def revise(context: Context, protocol: Protocol, *, before: Status) -> Status:
    """Return the status with a new revision if its routing changed, and with a stage number if a stage begins.

    A routing that someone else changed always gets a new revision: pods may have read what was written there.
    """
    status, wanted = context.status, context.status.propagation
    candidate = status.candidate if status.candidate and status.candidate.state is CandidateState.RUNNING else None
    begins = candidate is not None and candidate.stage is None
    is_same = wanted.revision > 0 and _hash(document(context, protocol), context.observed.routing) == wanted.hash
    if is_same and not begins and not context.has_foreign_routing:
        return status
    revision = protocol.next_revision(context)
    stage = candidate.stage if candidate is not None and candidate.stage is not None else revision
    if candidate is not None:
        status = status.changed(candidate=candidate.changed(stage=stage))
    new = protocol.document(replace(context, status=status), revision=revision, stage=stage)
    return status.changed(
        propagation=Propagation(
            revision=revision,
            stage=stage,
            hash=new.hash(),
            since=context.now,
            pods=f"0/{len(context.serving_pods)}",
            withdraws_run=_withdraws_any_run(context, before=before, new=new),
        )
    )


def _hash(document: RoutingDocument, found: RoutingSeen | None) -> str:
    """Return the hash of a document: mostly it is the one that was read, whose hash is known."""
    known = None if found is None else found.document
    return known.hash() if known is not None and known == document else document.hash()


def _withdraws_any_run(context: Context, *, before: Status, new: RoutingDocument) -> bool:
    """Return whether any document that a pod may still serve names a run that `new` withdraws."""
    wanted, found = context.status.propagation, context.observed.routing
    served = [routing_document(replace(context, status=before), revision=wanted.revision, stage=wanted.stage)]
    served += [found.document] if found is not None and found.document is not None else []
    is_pending = wanted.withdraws_run and not wanted.confirmed
    return is_pending or any(withdraws_run(one, new) for one in served)


def withdraws_run(before: RoutingDocument, after: RoutingDocument) -> bool:
    """Rule 7: return whether a pod that still serves `before` may use a run for users for whom `after` does not."""
    candidate, kept = _identity(before.candidate), _identity(after.candidate)
    stable, new_stable = _identity(before.stable), _identity(after.stable)
    if candidate is not None and candidate == new_stable:
        return False  # promoted: both documents serve the same run
    is_lowered = before.candidate and after.candidate and after.candidate.percent < before.candidate.percent
    is_gone = candidate is not None and candidate != kept
    return is_gone or bool(is_lowered) or (stable is not None and stable != new_stable)


def _identity(run: ServedRun | None) -> tuple[str, str] | None:
    return None if run is None else (run.run, run.digest)
