"""Rules about edits of the spec: the run that it names, its digest, cap, thresholds and gates."""

from serin_core.api.rollback import SkippedTrial
from serin_core.api.status import Candidate, CandidateState, RunInUse, Status
from serin_core.gates.evaluation import edited, rebound
from serin_core.rollout.attempts import next_attempt, present_attempt
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.requests import on_request
from serin_core.rollout.transition import Transition, serving, source_of


def stable_run_has_another_digest(context: Context, _protocol: Protocol) -> Transition | None:
    """The spec names the stable run, but with another digest than the one that was promoted."""
    stable, digest = context.status.stable, context.spec.digest
    if stable is None or stable.run_id != context.spec.run_id or digest in (None, stable.digest):
        return None
    candidate = context.status.candidate
    if candidate is not None and (candidate.run_id, candidate.digest) == (stable.run_id, digest):
        return None
    reason = f"spec.digest is {digest}, but this run was promoted as {stable.digest}"
    attempt = present_attempt(context.status, stable.run_id)
    refused = new_candidate(context, attempt=attempt).end_rollout(CandidateState.REFUSED, reason)
    return Transition(context.status.changed(candidate=refused), stable.run_id, f"Refused: {reason}", is_warning=True)


def spec_names_the_stable_run(context: Context, _protocol: Protocol) -> Transition | None:
    """A rollout ends, also one that was rolled back, when the spec names the stable run."""
    stable, candidate = context.status.stable, context.status.candidate
    if stable is None or candidate is None or stable.run_id != context.spec.run_id:
        return None
    if context.spec.digest not in (None, stable.digest):
        return None
    status = context.status.without_evidence().changed(candidate=None)
    verb = "closed" if context.status.rollout is None else "cancelled"
    message = f"Rollout of {candidate.run_id} {verb}: spec.runID is the stable run {stable.run_id} again"
    return Transition(status, stable.run_id, message)


def spec_names_the_previous_run(context: Context, _protocol: Protocol) -> Transition | None:
    """A previous run that is still loaded and was never rolled back serves all users at once."""
    status, previous = context.status, context.status.previous
    if previous is None or previous.run_id != context.spec.run_id or context.spec.digest not in (None, previous.digest):
        return None
    if context.spec.canary.percent == 0:
        return None
    if all(run.run_id != previous.run_id for run in status.pod_runs) or _is_rejected(status, previous.run_id):
        return None
    status = status.without_evidence().changed(
        stable=previous.serving_since(context.now), previous=status.stable, candidate=None
    )
    message = f"{serving(status)} again: spec.runID is the previous run, which is still loaded"
    return on_request(context, "restore", Transition(status, previous.run_id, message))


def spec_names_a_rejected_run(context: Context, _protocol: Protocol) -> Transition | None:
    """A run that was rolled back is rolled out again only on a retry request."""
    status, run_id = context.status, context.spec.run_id
    if is_loading_a_trusted_run(status) or not _is_rejected(status, run_id):
        return None
    if status.candidate is not None and status.candidate.run_id == run_id:
        return None
    entry = next(rejected for rejected in status.rejected if rejected.run_id == run_id)
    attempt = present_attempt(status, run_id)
    candidate = new_candidate(context, attempt=attempt).end_rollout(CandidateState.ROLLED_BACK, entry.reason)
    message = (
        f"Not rolled out: {run_id} was rolled back earlier ({entry.reason}); "
        f"to try it again: kubectl serin retry {context.resource.name}"
    )
    return Transition(status.without_evidence().changed(candidate=candidate), run_id, message, is_warning=True)


def spec_names_a_new_run(context: Context, _protocol: Protocol) -> Transition | None:
    """The spec names a new run, or the candidate with another digest or from another registry."""
    status, candidate, spec = context.status, context.status.candidate, context.spec
    if status.stable is not None and status.stable.run_id == spec.run_id:
        return None
    if is_loading_a_trusted_run(status):
        return None
    if candidate is not None and candidate.run_id == spec.run_id:
        has_changed = candidate.source != source_of(spec) or spec.digest not in (None, candidate.digest)
        if not has_changed or candidate.state is CandidateState.ROLLED_BACK:
            return None
        if candidate.state is CandidateState.STOPPED and spec.digest in (None, candidate.digest):
            return None
    attempt, previous = next_attempt(status, spec.run_id), status.previous
    is_previous = previous is not None and previous.run_id == spec.run_id
    status = status.without_evidence().changed(
        candidate=new_candidate(context, attempt=attempt), previous=None if is_previous else previous, crashes=()
    )
    against = "the rules" if status.stable is None else status.stable.run_id
    replaced = context.status.rollout
    instead = "" if replaced is None or replaced.run_id == spec.run_id else f"; it replaces {replaced.run_id}"
    return Transition(status, spec.run_id, f"Rollout of {spec.run_id} started; compared with {against}{instead}")


def is_loading_a_trusted_run(status: Status) -> bool:
    """Rule 10: return whether pods load a run that a user trusts; the run of the spec is compared with it later."""
    return status.rollout is not None and status.rollout.skips_trial is SkippedTrial.TRUSTED


def begin_attempt(context: Context) -> Status:
    """Return the status at the beginning of another attempt to roll out the same run."""
    attempt = next_attempt(context.status, context.spec.run_id)
    rejected = tuple(entry for entry in context.status.rejected if entry.run_id != context.spec.run_id)
    candidate = new_candidate(context, attempt=attempt)
    return context.status.without_evidence().changed(candidate=candidate, rejected=rejected, crashes=())


def new_candidate(context: Context, *, attempt: int) -> Candidate:
    """Return the candidate that the spec names, at the beginning of an attempt.

    A run that was promoted before is restored, with the digest that was promoted: it needs no trial.
    """
    spec, earlier = context.spec, _earlier(context)
    digest = spec.digest if earlier is None else earlier.digest
    return Candidate(
        run_id=spec.run_id,
        digest=digest,
        pinned=digest is not None,
        skips_trial=SkippedTrial.NONE if earlier is None else SkippedTrial.RESTORED,
        source=source_of(spec),
        thresholds=spec.thresholds,
        calibration=spec.calibration,
        state=CandidateState.DRAINING,
        cap=spec.canary.percent,
        holdback=spec.bake.holdback if spec.bake.duration else 0.0,
        attempt=attempt,
        attempt_started_at=context.now,
    )


def _earlier(context: Context) -> RunInUse | None:
    """Return the run of the spec as it was promoted before; None for any other, or where users may not be served."""
    spec = context.spec
    found = next((run for run in context.status.earlier if run.run_id == spec.run_id), None)
    if found is None or spec.digest not in (None, found.digest) or spec.canary.percent == 0:
        return None
    return found


def _is_rejected(status: Status, run_id: str) -> bool:
    return any(rejected.run_id == run_id for rejected in status.rejected)


def cap_is_below_the_share(context: Context, _protocol: Protocol) -> Transition | None:
    """The cap was lowered below the current percent: takes effect at once, without gates."""
    candidate, cap = context.status.candidate, context.spec.canary.percent
    if candidate is None or candidate.percent <= cap:
        return None
    lowered = candidate.restart_stage().changed(percent=cap, cap=cap, bake=None)
    message = f"Lowered from {candidate.percent:g} % to {cap:g} % (spec.canary.percent): the stage starts again"
    return Transition(context.status.with_candidate(lowered), candidate.run_id, message)


def cap_changed(context: Context, _protocol: Protocol) -> Transition | None:
    """The cap was changed without an effect on the current percent."""
    candidate, cap = context.status.candidate, context.spec.canary.percent
    if candidate is None or candidate.cap in (None, cap):
        return None
    status = context.status.changed(candidate=candidate.changed(cap=cap))
    message = f"Cap changed from {candidate.cap:g} % to {cap:g} % (spec.canary.percent)"
    return Transition(status, candidate.run_id, message)


def thresholds_changed(context: Context, _protocol: Protocol) -> Transition | None:
    """Thresholds or calibration changed: a stage starts again, a promoted run uses them at once."""
    status, spec = context.status, context.spec
    run = status.candidate or status.stable
    if run is None or run.run_id != spec.run_id:
        return None
    if run.thresholds == spec.thresholds and run.calibration == spec.calibration:
        return None
    if status.candidate is None:
        stable = status.stable and status.stable.with_settings(spec.thresholds, calibration=spec.calibration)
        return Transition(status.changed(stable=stable), run.run_id, "Thresholds or calibration changed: now in effect")
    changed = status.candidate.restart_stage().changed(thresholds=spec.thresholds, calibration=spec.calibration)
    message = "Thresholds or calibration changed: evidence and soak of the stage are reset"
    return Transition(status.with_candidate(changed), run.run_id, message)


def gates_changed(context: Context, _protocol: Protocol) -> Transition | None:
    """The bound of a gate changed during a stage: the same counts are judged by it, at half the error rate."""
    status, candidate = context.status, context.status.candidate
    if candidate is None or candidate.stage_started_at is None:
        return None
    changed = edited(context.spec, percent=candidate.percent, memory=status.memory)
    if not changed:
        return None
    memory = {gate.name: rebound(gate, status.memory[gate.name]) for gate in changed}
    names = ", ".join(memory)
    message = f"Bounds changed for {names}: the counts of this stage are judged by them, at half the error rate"
    return Transition(status.changed(memory=status.memory | memory), candidate.run_id, message)
