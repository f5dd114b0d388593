"""The built-in gates: what each counts, where it acts, and what the counts of a stage say.

A gate reads series by name and label (names.py) and never asks where they came from.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from serin_core.counting import Reading, Tallies, Unreadable
from serin_core.evidence import Verdict, confidence_sequence, judge_at_least, needed
from serin_core.resource import GateName, SuggestionModelSpec
from serin_core.status import GateStatus

DISPLAY_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class ActiveGate:
    """A gate as one resource sets it, at one share of users."""

    name: GateName
    at_least: float


_DEFAULTS: Mapping[GateName, float] = {
    GateName.AVAILABILITY: 0.90,
    GateName.ERRORS: 0.99,
    GateName.LATENCY: 0.99,
    GateName.AGREEMENT: 0.70,
    GateName.ACCEPTED_RATIO: 0.95,
}
_ONLY_IN_CANARY = frozenset({GateName.ACCEPTED_RATIO})


def active_gates(spec: SuggestionModelSpec, *, percent: float) -> tuple[ActiveGate, ...]:
    """Answer the gates that judge a stage of this share, in the order of their definition."""
    changes = {change.name: change for change in spec.gates.metrics}
    active = []
    for name, default in _DEFAULTS.items():
        change = changes.get(name)
        if (change is not None and change.disabled) or (name in _ONLY_IN_CANARY and percent == 0):
            continue
        at_least = default if change is None or change.at_least is None else change.at_least
        active.append(ActiveGate(name=name, at_least=at_least))
    return tuple(active)


def alpha_fail(spec: SuggestionModelSpec) -> float:
    """Answer the error that one gate may spend on Fail in one stage: alphaRollback / (gates x stages)."""
    gates = len(active_gates(spec, percent=100))
    stages = 1 + len(spec.canary.steps)
    return spec.analysis.alpha_rollback / max(gates * stages, 1)


def judge(spec: SuggestionModelSpec, *, percent: float, reading: Reading) -> tuple[GateStatus, ...]:
    """Judge every gate of a stage on what was read. Whatever was not read is Inconclusive, with the reason."""
    return tuple(_judge_one(gate, spec=spec, reading=reading) for gate in active_gates(spec, percent=percent))


def _judge_one(gate: ActiveGate, *, spec: SuggestionModelSpec, reading: Reading) -> GateStatus:
    match reading:
        case Unreadable(reason=reason):
            return GateStatus(name=gate.name, at_least=gate.at_least, reason=reason)
        case Tallies():
            tally = reading.of(gate.name)
    if isinstance(tally, Unreadable):
        return GateStatus(name=gate.name, at_least=gate.at_least, reason=tally.reason)
    alphas = {"alpha_pass": spec.analysis.alpha_promote, "alpha_fail": alpha_fail(spec)}
    verdict = judge_at_least(tally, gate.at_least, **alphas)
    lower, upper = confidence_sequence(tally, DISPLAY_ALPHA)
    return GateStatus(
        name=gate.name,
        at_least=gate.at_least,
        good=round(tally.good, 3),
        total=round(tally.total, 3),
        estimate=None if tally.estimate is None else round(tally.estimate, 4),
        lower=round(lower, 4),
        upper=round(upper, 4),
        verdict=verdict,
        reason="NotEnoughEvidence" if verdict is Verdict.INCONCLUSIVE else "Proven",
        needed=needed(tally, gate.at_least, **alphas),
    )


def describe(gate: GateStatus) -> str:
    """Say in one clause what a gate has seen: `agreement 68.3 % of 60 (at least 70 %)`."""
    limit = f"at least {100 * gate.at_least:.10g} %"
    if gate.total is None or gate.estimate is None:
        return f"{gate.name} ({limit}): {gate.reason}"
    return f"{gate.name} {100 * gate.estimate:.1f} % of {gate.total:.0f} ({limit})"
