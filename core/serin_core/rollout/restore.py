"""Rules 10 and 17: runs that serve all users without shadow and steps: promoted before, or trusted by a user.

Both are candidates that pods load as any other. Once every pod has loaded exactly the files that were promoted, the run
is the stable one; until then, and if that fails, the stable run serves.
"""

import re
from typing import Final

from serin_core.api.rollback import SkippedTrial
from serin_core.api.spec import DIGEST_PATTERN, RUN_PATTERN
from serin_core.api.status import Candidate, CandidateState, RunInUse, Status
from serin_core.rollout import pod_rollout, rollback, spec_changes
from serin_core.rollout.attempts import next_attempt
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.requests import Request, done, on_request, request_for
from serin_core.rollout.transition import Transition, serving, source_of

_NOTHING_ELSE: Final = "without shadow and steps, once every pod has loaded it"


def remember_earlier(context: Context, *, before: Status) -> Status:
    """Return the status with the runs that were stable before this pass and can be restored, newest first.

    A run that was rolled back is never among them.
    """
    status, replaced = context.status, before.stable
    never = {rejected.run_id for rejected in status.rejected} | ({status.stable.run_id} if status.stable else set())
    found: dict[str, RunInUse] = {}
    for run in (*([replaced] if replaced is not None else []), *before.earlier):
        if run.run_id not in never:
            found.setdefault(run.run_id, run)
    return status.changed(earlier=tuple(found.values())[: context.spec.rollback.window])


def spec_names_an_earlier_run(context: Context, protocol: Protocol) -> Transition | None:
    """Rule 17: the spec names a run that was promoted before: pods load it, with the digest that was promoted."""
    started = spec_changes.spec_names_a_new_run(context, protocol)
    candidate = None if started is None else started.status.candidate
    if started is None or candidate is None or candidate.skips_trial is not SkippedTrial.RESTORED:
        return None
    message = f"{candidate.run_id} was promoted before: it serves all users {_NOTHING_ELSE}; {_meanwhile(context)}"
    return on_request(context, "restore", Transition(started.status, candidate.run_id, message))


def run_is_loaded(context: Context, protocol: Protocol) -> Transition | None:
    """Every pod has loaded a run that needs no trial, with one digest: it is the stable run."""
    status, candidate = context.status, context.status.candidate
    if candidate is None or not candidate.skips_trial or not protocol.is_replaced(context):
        return None
    found = pod_rollout.loaded_everywhere(context) if protocol.is_confirmed(context) else ()
    digests = {run.digest for run in found}
    if len(digests) != 1 or candidate.digest not in (None, *digests):
        return None
    run = rollback.in_use(candidate, str(digests.pop()), since=context.now)
    status = status.without_evidence().changed(stable=run, previous=status.stable, candidate=None, crashes=())
    how = "was promoted before" if candidate.skips_trial is SkippedTrial.RESTORED else "is trusted by a user"
    return Transition(status, run.run_id, f"{serving(status)}: it {how}, and every pod has loaded it")


def why_restore_is_ignored(request: Request, context: Context) -> str:
    """Return why a run cannot be restored, "" if it can: the spec names it, and it was promoted before."""
    spec, status, run = context.spec, context.status, request.run_id
    serving_run = "" if status.stable is None else status.stable.run_id
    known = [one for one in (status.previous, *status.earlier) if one is not None]
    found = next((one for one in known if one.run_id == run), None)
    names = ", ".join(dict.fromkeys(one.run_id for one in known if one.run_id != serving_run)) or "no run"
    reasons = (
        (serving_run == run, f"{run} is the stable run already"),
        (found is None, f"{run or 'no run'} cannot be restored; {names} can"),
        (spec.run_id != run, f"spec.runID is {spec.run_id}; set it to the run to restore"),
        (
            found is not None and spec.digest not in (None, found.digest),
            f"spec.digest is {spec.digest}, but {run} was promoted as {found and found.digest}",
        ),
        (spec.canary.percent == 0, "spec.canary.percent is 0, so that no user would be served; set it to 100"),
    )
    return next((reason for holds, reason in reasons if holds), "")


def why_trust_is_ignored(request: Request, context: Context) -> str:
    """Return why a run cannot be declared as trusted, "" if it can."""
    stable, rollout, run = context.status.stable, context.status.rollout, request.run_id
    rejected = [one.reason for one in context.status.rejected if one.run_id == run]
    is_loading = rollout is not None and rollout.run_id == run and rollout.skips_trial
    serving_run = "" if stable is None else stable.run_id
    reasons = (
        (not re.match(RUN_PATTERN, run), f"{run or 'no run'} is not the name of a run"),
        (
            request.digest and not re.match(DIGEST_PATTERN, request.digest),
            f"{request.digest} is not a digest; write sha256: and 64 hexadecimal digits",
        ),
        (serving_run == run, f"{run} is the stable run already"),
        (serving_run, f"{serving_run} is the stable run; a run is declared as trusted only where there is none"),
        (rejected, f"{run} was rolled back ({'; '.join(rejected)})"),
        (is_loading, f"pods are already loading {run}, which is trusted"),
    )
    return next((reason for holds, reason in reasons if holds), "")


def trust(context: Context, _protocol: Protocol) -> Transition | None:
    """Rule 10: a user declares which run is trusted: pods load it, and it serves before any other is compared."""
    request = request_for(context, "trust")
    if request is None or why_trust_is_ignored(request, context):
        return None
    spec = context.spec
    digest = request.digest or (spec.digest if spec.run_id == request.run_id else None)
    candidate = Candidate(
        run_id=request.run_id,
        digest=digest,
        pinned=digest is not None,
        source=source_of(spec),
        thresholds=spec.thresholds,
        calibration=spec.calibration,
        state=CandidateState.DRAINING,
        cap=spec.canary.percent,
        skips_trial=SkippedTrial.TRUSTED,
        attempt=next_attempt(context.status, request.run_id),
        attempt_started_at=context.now,
    )
    status = context.status.without_evidence().changed(candidate=candidate, crashes=())
    after = "" if spec.run_id == request.run_id else f"; then the rollout of {spec.run_id} starts against it"
    message = f"{request.run_id} is trusted: it serves all users {_NOTHING_ELSE}{after}"
    return done(context, request, status, message)


def _meanwhile(context: Context) -> str:
    replaced = context.status.rollout
    ended = "" if replaced is None else f", and the rollout of {replaced.run_id} ends"
    return f"until then {serving(context.status)}{ended}"
