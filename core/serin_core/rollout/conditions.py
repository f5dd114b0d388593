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
from serin_core.rollout.canary_steps import is_at_cap, soak_of, soaked
from serin_core.rollout.observation import RulesMissing
from serin_core.rollout.protocol import Look, has_loaded

SILENCE = timedelta(seconds=60)
"""How long a stage may be without any series before Prometheus is called silent."""
Answer = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Situation:
    """What holds at present, in one word and one sentence."""

    reason: str
    message: str
    ready: Answer = "Unknown"
    is_reconciling: bool = True
    is_stalled: bool = False


def situation(look: Look) -> Situation:
    """Answer the first situation that holds."""
    return next(found for check in _SITUATIONS if (found := check(look)) is not None)


def conditions(look: Look) -> tuple[Condition, ...]:
    """Answer all conditions; `lastTransitionTime` moves only when a status flips."""
    now = situation(look)
    trial = look.status.trial
    is_forced = trial is not None and not look.spec.shadow
    serving = any(pod.ready for pod in look.observed.pods)
    values: list[tuple[str, Answer, str, str]] = [
        ("Ready", now.ready, now.reason, now.message),
        _truth("Reconciling", now, holds=now.is_reconciling, otherwise="Settled"),
        _truth("Stalled", now, holds=now.is_stalled, otherwise="NotStalled"),
        (
            "Available",
            "True" if serving else "False",
            "PodsReady" if serving else "NoPodReady",
            f"{sum(pod.ready for pod in look.observed.pods)} of {look.spec.server.replicas} pods are ready.",
        ),
    ]
    if is_forced:
        values.append(
            ("ShadowForced", "True", "OnTrial", "spec.shadow is false, but a run on trial is always compared.")
        )
    before = {condition.type: condition for condition in look.status.conditions}
    return tuple(
        Condition(
            type=kind,
            status=status,
            reason=reason,
            message=message,
            observed_generation=look.resource.generation,
            last_transition_time=before[kind].last_transition_time
            if kind in before and before[kind].status == status
            else look.now,
        )
        for kind, status, reason, message in values
    )


def _truth(kind: str, now: Situation, *, holds: bool, otherwise: str) -> tuple[str, Answer, str, str]:
    return (kind, "True", now.reason, now.message) if holds else (kind, "False", otherwise, "")


def phase(look: Look) -> Phase:
    """Answer one word for people."""
    candidate = look.status.candidate
    if look.spec.suspend and look.status.trial is not None:
        return Phase.SUSPENDED
    if candidate is None:
        return Phase.PENDING if look.status.stable is None else Phase.PROMOTED
    if candidate.state is TrialState.RUNNING:
        shown = Phase.CANARY if candidate.percent > 0 else Phase.SHADOW
        return Phase.AT_CAP if is_at_cap(look.spec.canary, candidate) else shown
    return _OTHER_PHASES.get(candidate.state, Phase.PENDING)


_OTHER_PHASES = {TrialState.ROLLED_BACK: Phase.ROLLED_BACK, TrialState.REFUSED: Phase.REFUSED}


# ------------------------------------------------------------------------------------------- the chain, in order


def _child_is_foreign(look: Look) -> Situation | None:
    foreign = [f"{kind} {name}" for (kind, name), child in look.observed.children.items() if not child.is_ours]
    if look.observed.routing is not None and not look.observed.routing.is_ours:
        foreign.append("the routing ConfigMap")
    if not foreign:
        return None
    message = f"{', '.join(sorted(foreign))}: exists already and belongs to another object; waiting until it is gone."
    return Situation("ChildConflict", message)


def _rolled_back(look: Look) -> Situation | None:
    candidate = look.status.candidate
    if candidate is None or candidate.state is not TrialState.ROLLED_BACK:
        return None
    serving = "the rules" if look.status.stable is None else look.status.stable.run_id
    progress = look.status.propagation
    confirmed = f"confirmed by {progress.pods} pods" if progress.confirmed else f"{progress.pods} pods confirm so far"
    message = (
        f"{candidate.run_id} was taken back: {candidate.reason}. {serving} answers everybody, {confirmed}. "
        f'Name another run, or ask with request.serin.dev/retry="{candidate.run_id} <why>".'
    )
    return Situation("RolledBack", message, ready="False", is_reconciling=False, is_stalled=True)


def _refused(look: Look) -> Situation | None:
    candidate = look.status.candidate
    if candidate is None or candidate.state is not TrialState.REFUSED:
        return None
    message = (
        f"{candidate.run_id} is not served: {candidate.reason}. "
        f'Name another run, or mend it and ask with request.serin.dev/retry="{candidate.run_id} <why>".'
    )
    return Situation("RunRefused", message, ready="False", is_reconciling=False, is_stalled=True)


def _image_refused(look: Look) -> Situation | None:
    refusal = look.observed.image.refusal
    if not refusal:
        return None
    return Situation("ImageRefused", refusal, ready="False", is_reconciling=False, is_stalled=True)


def _rules_missing(look: Look) -> Situation | None:
    match look.observed.rules:
        case RulesMissing(reason=reason):
            return Situation("RulesUnavailable", f"{reason}; the pods keep the rules they have.")
        case _:
            return None


def _child_refused(look: Look) -> Situation | None:
    if not look.observed.refusals:
        return None
    message = f"The API server refused: {'; '.join(look.observed.refusals)}."
    return Situation("ChildRefused", message, ready=_ready_of_promoted(look))


def _pods_unavailable(look: Look) -> Situation | None:
    troubles = sorted({pod.trouble for pod in look.observed.pods if pod.trouble and not pod.deleting})
    troubles += [look.observed.trouble] if look.observed.trouble else []
    troubles += _without_the_stable_run(look)
    if not troubles:
        return None
    return Situation("PodsUnavailable", f"Holding: {'; '.join(troubles)}.", ready=_ready_of_promoted(look))


def _without_the_stable_run(look: Look) -> list[str]:
    """Say why pods, ready or not, do not answer by the stable run; a ready one answers by the rules instead."""
    stable = look.status.stable
    if stable is None:
        return []
    reports = [pod.report for pod in look.observed.pods if not pod.deleting]
    runs = [report.run(stable.run_id) for report in reports if isinstance(report, PodReport)]
    refusals = {run.reason for run in runs if run is not None and run.state is LoadState.REFUSED}
    return [f"a pod cannot load {stable.run_id}: {reason}" for reason in sorted(refusals)]


def _is_served(look: Look) -> bool:
    """Answer whether every pod confirms the routing, and every ready one, at least one, has loaded the stable run."""
    stable, ready = look.status.stable, look.ready_pods
    return stable is not None and look.status.propagation.confirmed and bool(ready) and not _lacking(look, stable)


def _lacking(look: Look, stable: RunInUse) -> int:
    return sum(not has_loaded(pod, stable) for pod in look.ready_pods)


def _ready_of_promoted(look: Look) -> Answer:
    return "True" if look.status.candidate is None and _is_served(look) else "Unknown"


def _promoted(look: Look) -> Situation | None:
    stable, progress = look.status.stable, look.status.propagation
    if look.status.candidate is not None or stable is None:
        return None
    if look.spec.server.replicas == 0 or _is_served(look):
        message = f"{stable.run_id} answers everybody, confirmed by {progress.pods} pods."
        return Situation("Promoted", message, ready="True", is_reconciling=False)
    if lacking := _lacking(look, stable):
        message = f"{lacking} ready pods have not loaded {stable.run_id} as {stable.digest}; the rules answer there."
        return Situation("PodsUnavailable", message)
    return Situation("Promoting", f"{stable.run_id} is promoted; {progress.pods} pods confirm so far.")


def _before_running(look: Look) -> Situation | None:
    candidate = look.status.candidate
    if candidate is None:
        return Situation("Pending", "Nothing is on trial yet.")
    match candidate.state:
        case TrialState.DRAINING:
            return Situation("Draining", f"Before {candidate.run_id} is loaded, every pod confirms that none is tried.")
        case TrialState.LOADING:
            return Situation("Loading", f"The pods load {candidate.run_id}.")
        case _:
            return None


def _template_changed(look: Look) -> Situation | None:
    candidate, pods = look.status.candidate, look.observed.pods
    if candidate is None or candidate.template == look.template:
        return None
    replaced = sum(pod.template == look.template for pod in pods)
    message = (
        f"Holding at {candidate.percent:g} %: the pod template changed and waits for its pods, "
        f"{replaced} of {len(pods)} are replaced; until then a gate that fails still takes the run back."
    )
    return Situation("RolloutProgressing", message, _kept(look, candidate))


def _metrics_unavailable(look: Look) -> Situation | None:
    candidate, reading = look.status.candidate, look.observed.reading
    if candidate is None or candidate.stage_started_at is None:
        return None
    match reading:
        case Unreadable(reason="NotAsked"):
            return None
        case Unreadable(message=message):
            return Situation(
                "MetricsUnavailable", f"Holding at {candidate.percent:g} %: {message}.", _kept(look, candidate)
            )
        case _:
            acting = (gate for gate in look.status.gates if gate.role is GateRole.ACTING)
            silent = [gate.name for gate in acting if gate.total is None and gate.reason != "InitialDelay"]
            if not silent or look.now - candidate.stage_started_at < SILENCE:
                return None
            message = f"Holding at {candidate.percent:g} %: no data for {', '.join(silent)}."
            return Situation("MetricsUnavailable", message, _kept(look, candidate))


def _kept(look: Look, candidate: Candidate) -> Answer:
    return "True" if is_at_cap(look.spec.canary, candidate) else "Unknown"


def _at_cap(look: Look) -> Situation | None:
    candidate = look.status.candidate
    if candidate is None or not is_at_cap(look.spec.canary, candidate) or not look.status.propagation.confirmed:
        return None
    message = f"{candidate.run_id} is proven at its cap of {candidate.percent:g} % and stays there."
    return Situation("AtCap", message, ready="True", is_reconciling=False)


def _suspended(look: Look) -> Situation | None:
    return Situation("Suspended", "spec.suspend is true: no raise, no soak.") if look.spec.suspend else None


def _no_gate(look: Look) -> Situation | None:
    candidate = look.status.candidate
    if candidate is None or gates.acting_gates(look.spec, percent=candidate.percent):
        return None
    return Situation("NoGate", f"Holding at {candidate.percent:g} %: no gate judges this stage.")


def _undecided(look: Look) -> Situation | None:
    candidate, most = look.status.candidate, look.spec.analysis.max_duration
    if candidate is None or candidate.stage_started_at is None or look.now - candidate.stage_started_at < most:
        return None
    waits = _waiting_for(look)
    if not waits:
        return None
    message = (
        f"Holding at {candidate.percent:g} %: no verdict in {format_duration(most)} (maxDuration), "
        f"waiting for {', '.join(waits)}. "
        f'Ask with request.serin.dev/promote="{candidate.run_id} {candidate.percent:g} <why>", or with abort.'
    )
    return Situation("Undecided", message)


def _waiting_for(look: Look) -> list[str]:
    acting = (gate for gate in look.status.gates if gate.role is GateRole.ACTING)
    return [gate.name for gate in acting if gate.verdict is not Verdict.PASS]


def _running(look: Look) -> Situation:
    candidate = look.status.candidate
    if candidate is None:
        return Situation("Pending", "Nothing is on trial yet.")
    place = "shadow" if candidate.percent == 0 else f"{candidate.percent:g} %"
    if candidate.stage_started_at is None:
        progress = look.status.propagation
        return Situation("RolloutProgressing", f"{place}: {progress.pods} pods confirm so far.")
    left = soak_of(look.spec.canary, percent=candidate.percent) - soaked(candidate, now=look.now)
    waits = _waiting_for(look)
    parts = [f"evidence for {', '.join(waits)}"] if waits else []
    parts += ["the soak"] if left > timedelta() else []
    return Situation("RolloutProgressing", f"{place}: waiting for {' and '.join(parts) or 'confirmation'}.")


_SITUATIONS: tuple[Callable[[Look], Situation | None], ...] = (
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
