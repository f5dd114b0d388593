"""Conditions and phase: what `kubectl get`, `kubectl wait` and Argo CD read (contracts, 1: the table of situations).

An ordered chain of situations; the first that holds names Ready, Reconciling and Stalled. Nothing decides by them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from serin_core import gates
from serin_core.api.durations import format_duration
from serin_core.api.status import Candidate, Condition, GateRole, Phase, RunInUse, TrialState
from serin_core.contract.pod_report import LoadState, PodReport
from serin_core.counting import Unreadable
from serin_core.evidence import Verdict
from serin_core.rollout.canary_steps import is_at_cap, soak_elapsed, soak_of
from serin_core.rollout.observation import RulesMissing
from serin_core.rollout.protocol import Context, has_loaded

SILENCE = timedelta(seconds=60)
"""How long a stage may be without any series before Prometheus is called silent."""
Answer = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class ReadyReason:
    """What holds at present, in one word and one sentence."""

    reason: str
    message: str
    ready: Answer = "Unknown"
    is_reconciling: bool = True
    is_stalled: bool = False


def situation(context: Context) -> ReadyReason:
    """Answer the first situation that holds."""
    return next(found for check in _SITUATIONS if (found := check(context)) is not None)


def conditions(context: Context) -> tuple[Condition, ...]:
    """Answer all conditions; `lastTransitionTime` moves only when a status flips."""
    now = situation(context)
    trial = context.status.trial
    is_forced = trial is not None and not context.spec.shadow
    serving = any(pod.ready for pod in context.observed.pods)
    values: list[tuple[str, Answer, str, str]] = [
        ("Ready", now.ready, now.reason, now.message),
        _truth("Reconciling", now, holds=now.is_reconciling, otherwise="Settled"),
        _truth("Stalled", now, holds=now.is_stalled, otherwise="NotStalled"),
        (
            "Available",
            "True" if serving else "False",
            "PodsReady" if serving else "NoPodReady",
            f"{sum(pod.ready for pod in context.observed.pods)} of {context.spec.server.replicas} pods are ready.",
        ),
    ]
    if is_forced:
        values.append(
            ("ShadowForced", "True", "OnTrial", "spec.shadow is false, but a run on trial is always compared.")
        )
    before = {condition.type: condition for condition in context.status.conditions}
    return tuple(
        Condition(
            type=kind,
            status=status,
            reason=reason,
            message=message,
            observed_generation=context.resource.generation,
            last_transition_time=before[kind].last_transition_time
            if kind in before and before[kind].status == status
            else context.now,
        )
        for kind, status, reason, message in values
    )


def _truth(kind: str, now: ReadyReason, *, holds: bool, otherwise: str) -> tuple[str, Answer, str, str]:
    return (kind, "True", now.reason, now.message) if holds else (kind, "False", otherwise, "")


def phase(context: Context) -> Phase:
    """Answer one word for people."""
    candidate = context.status.candidate
    if context.spec.suspend and context.status.trial is not None:
        return Phase.SUSPENDED
    if candidate is None:
        return Phase.PENDING if context.status.stable is None else Phase.PROMOTED
    if candidate.state is TrialState.RUNNING:
        shown = Phase.CANARY if candidate.percent > 0 else Phase.SHADOW
        return Phase.AT_CAP if is_at_cap(context.spec.canary, candidate) else shown
    return _OTHER_PHASES.get(candidate.state, Phase.PENDING)


_OTHER_PHASES = {TrialState.ROLLED_BACK: Phase.ROLLED_BACK, TrialState.REFUSED: Phase.REFUSED}


# ------------------------------------------------------------------------------------------- the chain, in order


def _child_is_foreign(context: Context) -> ReadyReason | None:
    foreign = [f"{kind} {name}" for (kind, name), child in context.observed.children.items() if not child.is_ours]
    if context.observed.routing is not None and not context.observed.routing.is_ours:
        foreign.append("the routing ConfigMap")
    if not foreign:
        return None
    message = f"{', '.join(sorted(foreign))}: exists already and belongs to another object; waiting until it is gone."
    return ReadyReason("ChildConflict", message)


def _rolled_back(context: Context) -> ReadyReason | None:
    candidate = context.status.candidate
    if candidate is None or candidate.state is not TrialState.ROLLED_BACK:
        return None
    serving = "the rules" if context.status.stable is None else context.status.stable.run_id
    progress = context.status.propagation
    confirmed = f"confirmed by {progress.pods} pods" if progress.confirmed else f"{progress.pods} pods confirm so far"
    message = (
        f"{candidate.run_id} was taken back: {candidate.reason}. {serving} answers everybody, {confirmed}. "
        f'Name another run, or ask with request.serin.dev/retry="{candidate.run_id} <why>".'
    )
    return ReadyReason("RolledBack", message, ready="False", is_reconciling=False, is_stalled=True)


def _refused(context: Context) -> ReadyReason | None:
    candidate = context.status.candidate
    if candidate is None or candidate.state is not TrialState.REFUSED:
        return None
    message = (
        f"{candidate.run_id} is not served: {candidate.reason}. "
        f'Name another run, or mend it and ask with request.serin.dev/retry="{candidate.run_id} <why>".'
    )
    return ReadyReason("RunRefused", message, ready="False", is_reconciling=False, is_stalled=True)


def _image_refused(context: Context) -> ReadyReason | None:
    refusal = context.observed.image.refusal
    if not refusal:
        return None
    return ReadyReason("ImageRefused", refusal, ready="False", is_reconciling=False, is_stalled=True)


def _rules_missing(context: Context) -> ReadyReason | None:
    match context.observed.rules:
        case RulesMissing(reason=reason):
            return ReadyReason("RulesUnavailable", f"{reason}; the pods keep the rules they have.")
        case _:
            return None


def _child_refused(context: Context) -> ReadyReason | None:
    if not context.observed.refusals:
        return None
    message = f"The API server refused: {'; '.join(context.observed.refusals)}."
    return ReadyReason("ChildRefused", message, ready=_ready_of_promoted(context))


def _pods_unavailable(context: Context) -> ReadyReason | None:
    troubles = sorted({pod.problem for pod in context.observed.pods if pod.problem and not pod.deleting})
    troubles += [context.observed.problem] if context.observed.problem else []
    troubles += _without_the_stable_run(context)
    if not troubles:
        return None
    return ReadyReason("PodsUnavailable", f"Holding: {'; '.join(troubles)}.", ready=_ready_of_promoted(context))


def _without_the_stable_run(context: Context) -> list[str]:
    """Say why pods, ready or not, do not answer by the stable run; a ready one answers by the rules instead."""
    stable = context.status.stable
    if stable is None:
        return []
    reports = [pod.report for pod in context.observed.pods if not pod.deleting]
    runs = [report.run(stable.run_id) for report in reports if isinstance(report, PodReport)]
    refusals = {run.reason for run in runs if run is not None and run.state is LoadState.REFUSED}
    return [f"a pod cannot load {stable.run_id}: {reason}" for reason in sorted(refusals)]


def _is_served(context: Context) -> bool:
    """Answer whether every pod confirms the routing, and every ready one, at least one, has loaded the stable run."""
    stable, ready = context.status.stable, context.ready_pods
    return stable is not None and context.status.propagation.confirmed and bool(ready) and not _lacking(context, stable)


def _lacking(context: Context, stable: RunInUse) -> int:
    return sum(not has_loaded(pod, stable) for pod in context.ready_pods)


def _ready_of_promoted(context: Context) -> Answer:
    return "True" if context.status.candidate is None and _is_served(context) else "Unknown"


def _promoted(context: Context) -> ReadyReason | None:
    stable, progress = context.status.stable, context.status.propagation
    if context.status.candidate is not None or stable is None:
        return None
    if context.spec.server.replicas == 0 or _is_served(context):
        message = f"{stable.run_id} answers everybody, confirmed by {progress.pods} pods."
        return ReadyReason("Promoted", message, ready="True", is_reconciling=False)
    if lacking := _lacking(context, stable):
        message = f"{lacking} ready pods have not loaded {stable.run_id} as {stable.digest}; the rules answer there."
        return ReadyReason("PodsUnavailable", message)
    return ReadyReason("Promoting", f"{stable.run_id} is promoted; {progress.pods} pods confirm so far.")


def _before_running(context: Context) -> ReadyReason | None:
    candidate = context.status.candidate
    if candidate is None:
        return ReadyReason("Pending", "Nothing is on trial yet.")
    match candidate.state:
        case TrialState.DRAINING:
            return ReadyReason(
                "Draining", f"Before {candidate.run_id} is loaded, every pod confirms that none is tried."
            )
        case TrialState.LOADING:
            return ReadyReason("Loading", f"The pods load {candidate.run_id}.")
        case _:
            return None


def _template_changed(context: Context) -> ReadyReason | None:
    candidate, pods = context.status.candidate, context.observed.pods
    if candidate is None or candidate.template == context.template:
        return None
    replaced = sum(pod.template == context.template for pod in pods)
    message = (
        f"Holding at {candidate.percent:g} %: the pod template changed and waits for its pods, "
        f"{replaced} of {len(pods)} are replaced; until then a gate that fails still takes the run back."
    )
    return ReadyReason("RolloutProgressing", message, _kept(context, candidate))


def _metrics_unavailable(context: Context) -> ReadyReason | None:
    candidate, reading = context.status.candidate, context.observed.reading
    if candidate is None or candidate.stage_started_at is None:
        return None
    match reading:
        case Unreadable(reason="NotAsked"):
            return None
        case Unreadable(message=message):
            return ReadyReason(
                "MetricsUnavailable", f"Holding at {candidate.percent:g} %: {message}.", _kept(context, candidate)
            )
        case _:
            acting = (gate for gate in context.status.gates if gate.role is GateRole.ACTING)
            silent = [gate.name for gate in acting if gate.total is None and gate.reason != "InitialDelay"]
            if not silent or context.now - candidate.stage_started_at < SILENCE:
                return None
            message = f"Holding at {candidate.percent:g} %: no data for {', '.join(silent)}."
            return ReadyReason("MetricsUnavailable", message, _kept(context, candidate))


def _kept(context: Context, candidate: Candidate) -> Answer:
    return "True" if is_at_cap(context.spec.canary, candidate) else "Unknown"


def _at_cap(context: Context) -> ReadyReason | None:
    candidate = context.status.candidate
    if candidate is None or not is_at_cap(context.spec.canary, candidate) or not context.status.propagation.confirmed:
        return None
    message = f"{candidate.run_id} is proven at its cap of {candidate.percent:g} % and stays there."
    return ReadyReason("AtCap", message, ready="True", is_reconciling=False)


def _suspended(context: Context) -> ReadyReason | None:
    return ReadyReason("Suspended", "spec.suspend is true: no raise, no soak.") if context.spec.suspend else None


def _no_gate(context: Context) -> ReadyReason | None:
    candidate = context.status.candidate
    if candidate is None or gates.acting_gates(context.spec, percent=candidate.percent):
        return None
    return ReadyReason("NoGate", f"Holding at {candidate.percent:g} %: no gate judges this stage.")


def _undecided(context: Context) -> ReadyReason | None:
    candidate, most = context.status.candidate, context.spec.analysis.max_duration
    if candidate is None or candidate.stage_started_at is None or context.now - candidate.stage_started_at < most:
        return None
    waits = _waiting_for(context)
    if not waits:
        return None
    message = (
        f"Holding at {candidate.percent:g} %: no verdict in {format_duration(most)} (maxDuration), "
        f"waiting for {', '.join(waits)}. "
        f'Ask with request.serin.dev/promote="{candidate.run_id} {candidate.percent:g} <why>", or with abort.'
    )
    return ReadyReason("Undecided", message)


def _waiting_for(context: Context) -> list[str]:
    acting = (gate for gate in context.status.gates if gate.role is GateRole.ACTING)
    return [gate.name for gate in acting if gate.verdict is not Verdict.PASS]


def _running(context: Context) -> ReadyReason:
    candidate = context.status.candidate
    if candidate is None:
        return ReadyReason("Pending", "Nothing is on trial yet.")
    place = "shadow" if candidate.percent == 0 else f"{candidate.percent:g} %"
    if candidate.stage_started_at is None:
        progress = context.status.propagation
        return ReadyReason("RolloutProgressing", f"{place}: {progress.pods} pods confirm so far.")
    left = soak_of(context.spec.canary, percent=candidate.percent) - soak_elapsed(candidate, now=context.now)
    waits = _waiting_for(context)
    parts = [f"evidence for {', '.join(waits)}"] if waits else []
    parts += ["the soak"] if left > timedelta() else []
    return ReadyReason("RolloutProgressing", f"{place}: waiting for {' and '.join(parts) or 'confirmation'}.")


_SITUATIONS: tuple[Callable[[Context], ReadyReason | None], ...] = (
    _child_is_foreign,
    _image_refused,
    _rolled_back,
    _refused,
    _rules_missing,
    _child_refused,
    _pods_unavailable,
    _promoted,
    _before_running,
    _template_changed,
    _metrics_unavailable,
    _at_cap,
    _suspended,
    _no_gate,
    _undecided,
    _running,
)
