"""Rules about the pods: drained, replaced, loaded; and whether the run that they loaded is acceptable."""

from serin_core.api.durations import format_duration
from serin_core.api.status import BEING_REPLACED, CandidateState, TemplateRun
from serin_core.contract.pod_report import LoadState, RunOnPod
from serin_core.model.acceptance import Limits, Rejected, judge_acceptance
from serin_core.rollout.observation import PodSeen
from serin_core.rollout.protocol import ABSENT_PATIENCE, Context, Protocol
from serin_core.rollout.transition import Transition


def template_changed(context: Context, _protocol: Protocol) -> Transition | None:
    """Rule 6: rules, image or pod settings changed: nothing moves forward until every pod is replaced.

    Clock and counts of the stage stay until then, since pods go on serving its share and a failing gate must still roll
    it back. Undoing the edit does not bring back the template under which the stage counted.
    """
    candidate = context.status.candidate
    if candidate is None or candidate.template in (BEING_REPLACED, context.template):
        return None
    status = context.status.with_candidate(candidate.changed(template=BEING_REPLACED))
    return Transition(status, candidate.run_id, "The pod template changed: waiting until every pod is replaced")


def pods_are_replaced(context: Context, protocol: Protocol) -> Transition | None:
    """Rule 6: every pod comes from the current template: the stage starts again."""
    candidate = context.status.candidate
    if candidate is None or candidate.template == context.template or not protocol.is_replaced(context):
        return None
    status = context.status.with_candidate(candidate.restart_stage().changed(template=context.template))
    return Transition(status, candidate.run_id, "All pods are replaced: evidence and soak of the stage are reset")


def pods_are_drained(context: Context, protocol: Protocol) -> Transition | None:
    """Rule 1: no pod serves a former candidate any more: the template may load the new one."""
    status, candidate = context.status, context.status.candidate
    if candidate is None or not protocol.is_drained(context):
        return None
    behind = (run for run in (status.stable, status.previous) if run is not None and run.run_id != candidate.run_id)
    loaded = (
        TemplateRun(run_id=candidate.run_id, digest=candidate.digest if candidate.pinned else None),
        *(TemplateRun(run_id=run.run_id, digest=run.digest) for run in behind),
    )
    status = status.changed(
        candidate=candidate.changed(state=CandidateState.LOADING),
        pod_runs=loaded,
        former_pod_runs=status.pod_runs,
        former_pod_attempt=status.pod_attempt,
        pod_attempt=candidate.attempt,
    )
    beside = f", beside {', '.join(run.run_id for run in loaded[1:])}" if loaded[1:] else ""
    return Transition(status, candidate.run_id, f"Pods are loading {candidate.run_id}{beside}")


def run_is_refused(context: Context, _protocol: Protocol) -> Transition | None:
    """A pod cannot load the run, or its digest or report is not acceptable. It has served no request."""
    candidate, stable = context.status.candidate, context.status.stable
    if candidate is None:
        return None
    status = context.status
    if stable is not None and (lost := _refusal(context, stable.run_id)):
        reason = f"the pods that were to load it could not load the stable run {stable.run_id}: {lost}"
        status = status.with_former_template()
    else:
        reason = _refusal(context, candidate.run_id) or _flaw(context)
    if not reason:
        return None
    status = status.changed(candidate=candidate.end_rollout(CandidateState.REFUSED, reason))
    return Transition(status, candidate.run_id, f"Refused before it served any request: {reason}", is_warning=True)


def pods_disagree_on_the_digest(context: Context, _protocol: Protocol) -> Transition | None:
    """A pod has loaded other files under the candidate's name than those that were accepted."""
    candidate = context.status.candidate
    if candidate is None:
        return None
    others = {run.digest for run in _found(context, candidate.run_id) if run.state is LoadState.LOADED}
    others -= {candidate.digest}
    if not others:
        return None
    reason = f"its files changed: a pod loaded {min(map(str, others))}, but {candidate.digest} was accepted"
    status = context.status.changed(candidate=candidate.end_rollout(CandidateState.REFUSED, reason))
    return Transition(status, candidate.run_id, f"Refused: {reason}", is_warning=True)


def run_is_accepted(context: Context, protocol: Protocol) -> Transition | None:
    """Every pod has loaded the run, with one digest and a report that passes the acceptance gate."""
    candidate = context.status.candidate
    found = loaded_everywhere(context) if protocol.is_replaced(context) else ()
    if candidate is None or candidate.skips_trial or not found:
        return None
    running = candidate.changed(
        state=CandidateState.RUNNING,
        digest=found[0].digest,
        template=context.template,
        thresholds=context.spec.thresholds,
        calibration=context.spec.calibration,
    )
    quality = found[0].quality
    scores = "" if quality is None else f" (macro F1 {quality.f1_macro:.3f}, worst class {quality.f1_min:.3f})"
    message = f"Acceptance gate passed{scores}: starting in shadow, no user is served by it"
    return Transition(context.status.with_candidate(running), candidate.run_id, message)


def _found(context: Context, run_id: str) -> list[RunOnPod]:
    runs = [pod.run(run_id) for pod in _of_template(context)]
    return [run for run in runs if run is not None]


def _of_template(context: Context) -> list[PodSeen]:
    return [pod for pod in context.observed.pods if pod.template == context.template]


def _refusal(context: Context, run_id: str) -> str:
    """Return why a pod will not load the run: refused, or absent for ABSENT_PATIENCE; "" if no pod says so."""
    for pod in _of_template(context):
        run, waits_since = pod.run(run_id), pod.running_since
        if run is None:
            continue
        if run.state is LoadState.REFUSED:
            return run.reason
        if run.absent and waits_since is not None and context.now - waits_since >= ABSENT_PATIENCE:
            return f"{run.reason}, after {format_duration(ABSENT_PATIENCE)} of waiting for it"
    return ""


def loaded_everywhere(context: Context) -> tuple[RunOnPod, ...]:
    """Return what every pod reports about the candidate, or () while any pod has not loaded it."""
    candidate, pods = context.status.candidate, context.observed.pods
    if candidate is None:
        return ()
    found = tuple(run for run in _found(context, candidate.run_id) if run.state is LoadState.LOADED)
    return found if pods and len(found) == len(pods) else ()


def _flaw(context: Context) -> str:
    """Return what is wrong with a run that every pod has loaded, "" if nothing is or not every pod has."""
    candidate, found = context.status.candidate, loaded_everywhere(context)
    if candidate is None or not found:
        return ""
    digests = sorted({str(run.digest) for run in found})
    if len(digests) > 1:
        return f"pods loaded different files under its name: {', '.join(digests)}"
    if candidate.digest is not None and digests != [candidate.digest]:
        return f"its digest is {digests[0]}, but spec.digest is {candidate.digest}"
    if candidate.skips_trial:
        return ""  # it was accepted when it was promoted
    quality, limits = found[0].quality, context.spec.gates.acceptance
    if quality is None:
        return "it has no readable training report (meta.json)"
    judged = judge_acceptance(
        f1_macro=quality.f1_macro,
        f1_min=quality.f1_min,
        limits=Limits(f1_macro=limits.f1_macro, f1_min=limits.f1_min),
    )
    return judged.reason if isinstance(judged, Rejected) else ""
