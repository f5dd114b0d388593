"""Rules about what the pods have come to: drained, replaced, loaded; and whether what they loaded may be tried."""

from serin_core.api.status import BEING_REPLACED, TemplateRun, TrialState
from serin_core.contract.pod_report import LoadState, PodReport, RunOnPod
from serin_core.model.acceptance import Limits, Rejected, judge_acceptance
from serin_core.rollout.protocol import Context, Protocol
from serin_core.rollout.transition import STAGE_RESET, TRIAL_ENDED, Transition, on_trial


def template_changed(context: Context, _protocol: Protocol) -> Transition | None:
    """Rules, image or pod settings were edited in mid-trial: nothing moves forward until every pod is replaced.

    The stage's clock and counts stay until then: pods go on serving its share, and what is bad must still be able to
    take it back. That the edit is undone does not bring the template back under which the stage counted.
    """
    candidate = context.status.candidate
    if candidate is None or candidate.template in (BEING_REPLACED, context.template):
        return None
    waiting = candidate.model_copy(update={"template": BEING_REPLACED})
    return Transition(
        on_trial(context, waiting), candidate.run_id, "The pod template changed: every pod is replaced first."
    )


def pods_are_replaced(context: Context, protocol: Protocol) -> Transition | None:
    """Every pod comes from the wanted template: the stage counts anew."""
    candidate = context.status.candidate
    if candidate is None or candidate.template == context.template or not protocol.is_replaced(context):
        return None
    anew = candidate.model_copy(update=STAGE_RESET | {"template": context.template})
    return Transition(on_trial(context, anew), candidate.run_id, "Every pod is replaced: the stage counts anew.")


def pods_are_drained(context: Context, protocol: Protocol) -> Transition | None:
    """No pod names a candidate any more: the template may load the new one."""
    status, candidate = context.status, context.status.candidate
    if candidate is None or not protocol.is_drained(context):
        return None
    behind = (run for run in (status.stable, status.previous) if run is not None and run.run_id != candidate.run_id)
    loaded = (
        TemplateRun(run_id=candidate.run_id, digest=candidate.digest if candidate.pinned else None),
        *(TemplateRun(run_id=run.run_id, digest=run.digest) for run in behind),
    )
    status = status.model_copy(
        update={
            "candidate": candidate.model_copy(update={"state": TrialState.LOADING}),
            "pod_runs": loaded,
            "former_pod_runs": status.pod_runs,
            "pod_attempt": candidate.attempt,
        }
    )
    return Transition(status, candidate.run_id, f"Pods load {', '.join(run.run_id for run in loaded)}.")


def run_is_refused(context: Context, _protocol: Protocol) -> Transition | None:
    """A pod cannot load the run, or its digest or report is not what it must be. No request has seen it."""
    candidate, stable = context.status.candidate, context.status.stable
    if candidate is None:
        return None
    update: dict[str, object] = {}
    if stable is not None and (lost := _refusal(context, stable.run_id)):
        reason = f"the pods that were to load it could not load the stable run {stable.run_id}: {lost}"
        update = {"pod_runs": context.status.former_pod_runs}
    else:
        reason = _refusal(context, candidate.run_id) or _flaw(context)
    if not reason:
        return None
    refused = candidate.model_copy(update=TRIAL_ENDED | {"state": TrialState.REFUSED, "reason": reason})
    status = context.status.model_copy(update={"candidate": refused, **update})
    return Transition(status, candidate.run_id, f"Refused before any request saw it: {reason}.", is_warning=True)


def pods_disagree_on_the_digest(context: Context, _protocol: Protocol) -> Transition | None:
    """A pod has loaded the candidate's name with other bytes than those that were judged."""
    candidate = context.status.candidate
    if candidate is None:
        return None
    others = {run.digest for run in _found(context, candidate.run_id) if run.state is LoadState.LOADED}
    others -= {candidate.digest}
    if not others:
        return None
    reason = f"its files changed: a pod loaded {min(str(other) for other in others)}, judged was {candidate.digest}"
    refused = candidate.model_copy(update=TRIAL_ENDED | {"state": TrialState.REFUSED, "reason": reason})
    status = context.status.model_copy(update={"candidate": refused})
    return Transition(status, candidate.run_id, f"Refused: {reason}.", is_warning=True)


def run_is_accepted(context: Context, protocol: Protocol) -> Transition | None:
    """Every pod has loaded the run, with one digest and a report that the acceptance gate passes."""
    candidate = context.status.candidate
    found = _loaded_everywhere(context) if protocol.is_replaced(context) else ()
    if candidate is None or not found:
        return None
    running = candidate.model_copy(
        update={
            "state": TrialState.RUNNING,
            "digest": found[0].digest,
            "template": context.template,
            "thresholds": context.spec.thresholds,
            "calibration": context.spec.calibration,
        }
    )
    quality = found[0].quality
    seen = "" if quality is None else f" (macro F1 {quality.f1_macro:.3f}, worst class {quality.f1_min:.3f})"
    return Transition(on_trial(context, running), candidate.run_id, f"Accepted{seen}: shadow begins, no user sees it.")


def _found(context: Context, run_id: str) -> list[RunOnPod]:
    reports = [pod.report for pod in context.observed.pods if pod.template == context.template]
    runs = [report.run(run_id) for report in reports if isinstance(report, PodReport)]
    return [run for run in runs if run is not None]


def _refusal(context: Context, run_id: str) -> str:
    return next((run.reason for run in _found(context, run_id) if run.state is LoadState.REFUSED), "")


def _loaded_everywhere(context: Context) -> tuple[RunOnPod, ...]:
    """Answer what every pod says of the candidate, or () while any pod has not loaded it."""
    candidate, pods = context.status.candidate, context.observed.pods
    if candidate is None:
        return ()
    found = tuple(run for run in _found(context, candidate.run_id) if run.state is LoadState.LOADED)
    return found if pods and len(found) == len(pods) else ()


def _flaw(context: Context) -> str:
    """Say what is wrong with a run that every pod has loaded, "" for nothing (or while not every pod has)."""
    candidate, found = context.status.candidate, _loaded_everywhere(context)
    if candidate is None or not found:
        return ""
    digests = sorted({str(run.digest) for run in found})
    if len(digests) > 1:
        return f"pods loaded different files under its name: {', '.join(digests)}"
    if candidate.digest is not None and digests != [candidate.digest]:
        return f"its digest is {digests[0]}, wanted is {candidate.digest}"
    quality, limits = found[0].quality, context.spec.gates.acceptance
    if quality is None:
        return "it has no readable training report (meta.json)"
    judged = judge_acceptance(
        f1_macro=quality.f1_macro,
        f1_min=quality.f1_min,
        limits=Limits(f1_macro=limits.f1_macro, f1_min=limits.f1_min),
    )
    return judged.reason if isinstance(judged, Rejected) else ""
