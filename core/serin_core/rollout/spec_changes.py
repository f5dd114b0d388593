"""Rules about what the spec has come to say: which run it names, its digest, its cap, its thresholds."""

from serin_core import gates
from serin_core.api.status import Candidate, RunInUse, Status, TrialState
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import NO_EVIDENCE, STAGE_RESET, Transition, on_trial, source_of


def stable_run_has_another_digest(context: Context, _protocol: Protocol) -> Transition | None:
    """The spec names the stable run, but with a digest under which it was not proven."""
    stable, digest = context.status.stable, context.spec.digest
    if stable is None or stable.run_id != context.spec.run_id or digest in (None, stable.digest):
        return None
    candidate = context.status.candidate
    if candidate is not None and (candidate.run_id, candidate.digest) == (stable.run_id, digest):
        return None
    reason = f"spec.digest is {digest}, but this run was promoted as {stable.digest}"
    refused = new_candidate(context, attempt=1).model_copy(update={"state": TrialState.REFUSED, "reason": reason})
    status = context.status.model_copy(update={"candidate": refused})
    return Transition(status, stable.run_id, f"Refused: {reason}.", is_warning=True)


def spec_names_the_stable_run(context: Context, _protocol: Protocol) -> Transition | None:
    """A trial, or the memory of one, ends when the spec names the run that users trust."""
    stable, candidate = context.status.stable, context.status.candidate
    if stable is None or candidate is None or stable.run_id != context.spec.run_id:
        return None
    if context.spec.digest not in (None, stable.digest):
        return None
    status = context.status.model_copy(update={"candidate": None} | NO_EVIDENCE)
    return Transition(status, stable.run_id, f"The spec names the stable run: the trial of {candidate.run_id} is over.")


def spec_names_the_previous_run(context: Context, _protocol: Protocol) -> Transition | None:
    """A previous run that is still loaded and was never taken back is served at once."""
    status, previous = context.status, context.status.previous
    if previous is None or previous.run_id != context.spec.run_id or context.spec.digest not in (None, previous.digest):
        return None
    if all(run.run_id != previous.run_id for run in status.pod_runs) or _is_rejected(status, previous.run_id):
        return None
    status = status.model_copy(
        update={
            "stable": previous.model_copy(update={"since": context.now}),
            "previous": status.stable,
            "candidate": None,
            **NO_EVIDENCE,
        }
    )
    return Transition(
        status, previous.run_id, "The spec names the previous run, which is still loaded: served at once."
    )


def spec_names_a_rejected_run(context: Context, _protocol: Protocol) -> Transition | None:
    """A run that was taken back is tried again only when a person asks."""
    status, run_id = context.status, context.spec.run_id
    if not _is_rejected(status, run_id) or (status.candidate is not None and status.candidate.run_id == run_id):
        return None
    entry = next(rejected for rejected in status.rejected if rejected.run_id == run_id)
    candidate = new_candidate(context, attempt=entry.attempt).model_copy(
        update={"state": TrialState.ROLLED_BACK, "reason": entry.reason}
    )
    message = f"Not tried again: this run was taken back before ({entry.reason}). Ask with a retry."
    return Transition(
        status.model_copy(update={"candidate": candidate} | NO_EVIDENCE),
        run_id,
        message,
        is_warning=True,
    )


def spec_names_a_new_run(context: Context, _protocol: Protocol) -> Transition | None:
    """A new run, or the one on trial (or refused) with another digest or from another registry."""
    status, candidate, spec = context.status, context.status.candidate, context.spec
    if status.stable is not None and status.stable.run_id == spec.run_id:
        return None
    if candidate is not None and candidate.run_id == spec.run_id:
        has_changed = candidate.source != source_of(spec) or spec.digest not in (None, candidate.digest)
        if not has_changed or candidate.state is TrialState.ROLLED_BACK:
            return None
    attempt = candidate.attempt + 1 if candidate is not None and candidate.run_id == spec.run_id else 1
    previous = status.previous
    status = status.model_copy(
        update={
            "candidate": new_candidate(context, attempt=attempt),
            "previous": None if previous is not None and previous.run_id == spec.run_id else previous,
            **NO_EVIDENCE,
            "crashes": (),
        }
    )
    against = "the rules" if status.stable is None else status.stable.run_id
    return Transition(status, spec.run_id, f"On trial against {against}.")


def begin_attempt(context: Context, *, attempt: int) -> Status:
    """Answer the status of a run that is tried again."""
    rejected = tuple(entry for entry in context.status.rejected if entry.run_id != context.spec.run_id)
    return context.status.model_copy(
        update={
            "candidate": new_candidate(context, attempt=attempt),
            "rejected": rejected,
            **NO_EVIDENCE,
            "crashes": (),
        }
    )


def new_candidate(context: Context, *, attempt: int) -> Candidate:
    """Answer the candidate that the spec names, at the beginning of an attempt."""
    spec = context.spec
    return Candidate(
        run_id=spec.run_id,
        digest=spec.digest,
        pinned=spec.digest is not None,
        source=source_of(spec),
        thresholds=spec.thresholds,
        calibration=spec.calibration,
        state=TrialState.DRAINING,
        attempt=attempt,
        attempt_started_at=context.now,
    )


def _is_rejected(status: Status, run_id: str) -> bool:
    return any(rejected.run_id == run_id for rejected in status.rejected)


def cap_is_below_the_share(context: Context, _protocol: Protocol) -> Transition | None:
    """Lowering the cap below the present share takes effect at once, without gates."""
    candidate, cap = context.status.candidate, context.spec.canary.percent
    if candidate is None or candidate.percent <= cap:
        return None
    lowered = candidate.model_copy(update=STAGE_RESET | {"percent": cap})
    return Transition(on_trial(context, lowered), candidate.run_id, f"Lowered from {candidate.percent:g} to {cap:g} %.")


def thresholds_changed(context: Context, _protocol: Protocol) -> Transition | None:
    """Class thresholds or calibration were edited: the run on trial counts anew, a promoted one answers by them."""
    status, wanted = context.status, {"thresholds": context.spec.thresholds, "calibration": context.spec.calibration}
    run: Candidate | RunInUse | None = status.candidate or status.stable
    if run is None or run.run_id != context.spec.run_id:
        return None
    if run.thresholds == context.spec.thresholds and run.calibration == context.spec.calibration:
        return None
    message = "Thresholds or calibration changed"
    if isinstance(run, RunInUse):
        return Transition(
            status.model_copy(update={"stable": run.model_copy(update=wanted)}), run.run_id, f"{message}: in effect."
        )
    changed = run.model_copy(update=STAGE_RESET | wanted)
    return Transition(on_trial(context, changed), run.run_id, f"{message}: the stage counts anew.")


def gates_changed(context: Context, _protocol: Protocol) -> Transition | None:
    """A gate's bound was edited in mid-stage: the same counts are judged by the new one, at half the error."""
    status, candidate = context.status, context.status.candidate
    if candidate is None or candidate.stage_started_at is None:
        return None
    changed = gates.edited(context.spec, percent=candidate.percent, memory=status.memory)
    if not changed:
        return None
    memory = dict(status.memory)
    for gate in changed:
        before = memory[gate.name]
        # The evidence for a limit of two arms holds for that limit alone; all else is judged on the counts.
        update = {"bound": str(gate.criterion), "edits": before.edits + 1, "log_ratios_below": ()}
        memory[gate.name] = before.model_copy(update=update)
    names = ", ".join(gate.name for gate in changed)
    message = f"{names} changed in mid-stage: the same counts are judged anew, at half the chance of an error."
    return Transition(status.model_copy(update={"memory": memory}), candidate.run_id, message)
