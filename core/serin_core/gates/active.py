"""Gates of one resource that are evaluated in a stage: the catalogue with the changes of the spec applied."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from serin_core.api.gate_status import GateRole
from serin_core.api.gates import GateName, MetricGate
from serin_core.api.spec import SuggestionModelSpec
from serin_core.contract.gate_catalog import CATALOG, AsReported, Criterion, NotWorseThanControl, built_in
from serin_core.counting.custom_counters import custom_key
from serin_core.evidence.bounds import AtLeast, AtMost, Within

_UNCHANGED = {
    gate.name: MetricGate(name=gate.name.value, disabled=not gate.is_on_by_default) for gate in CATALOG.values()
}


@dataclass(frozen=True, slots=True)
class ActiveGate:
    """A gate with the settings of one resource."""

    name: str
    criterion: Criterion
    role: GateRole = GateRole.ACTING
    design_effect: float = 1.0
    initial_delay: timedelta = timedelta()
    custom_key: str = ""
    """Key of its counters in a checkpoint, for a custom gate; "" for a built-in gate."""

    @property
    def counts_users(self) -> bool:
        """Whether each user is counted once; otherwise requests are counted."""
        gate = built_in(self.name)
        return gate is not None and gate.counts_users


def active_gates(spec: SuggestionModelSpec, *, percent: float) -> tuple[ActiveGate, ...]:
    """Return the gates that are evaluated in a stage: built-in gates in their order, then custom gates."""
    return tuple(_active(change) for change in _settings(spec) if _is_evaluated(change, percent))


def read_by(spec: SuggestionModelSpec, *, percent: float) -> tuple[GateName, ...]:
    """Return the built-in gates whose series are needed in a stage."""
    return tuple(GateName(gate.name) for gate in active_gates(spec, percent=percent) if not gate.custom_key)


def acting_gates(spec: SuggestionModelSpec, *, percent: float) -> tuple[ActiveGate, ...]:
    """Return the gates that must all pass before the stage ends."""
    return tuple(gate for gate in active_gates(spec, percent=percent) if gate.role is GateRole.ACTING)


def alpha_fail(spec: SuggestionModelSpec) -> float:
    """Return the error probability of Fail for one gate in one stage: alphaRollback / (gates x stages)."""
    stages = (0.0, *(step.percent for step in spec.canary.steps))
    gates = [
        change
        for change in _settings(spec)
        if not change.dry_run and any(_is_evaluated(change, percent) for percent in stages)
    ]
    return spec.analysis.alpha_rollback / max(len(gates) * len(stages), 1)


def _settings(spec: SuggestionModelSpec) -> Iterator[MetricGate]:
    changes = {change.name: change for change in spec.gates.metrics}
    yield from (changes.get(name.value) or unchanged for name, unchanged in _UNCHANGED.items())
    yield from (change for change in spec.gates.metrics if change.is_custom)


def _is_evaluated(change: MetricGate, percent: float) -> bool:
    if change.disabled or (change.stages is not None and percent not in change.stages):
        return False
    gate = built_in(change.name)
    return gate is None or gate.is_evaluated_at(percent)


def _active(change: MetricGate) -> ActiveGate:
    is_optional = change.name == GateName.FEEDBACK and not change.required
    acting = GateRole.FAIL_ONLY if is_optional else GateRole.ACTING
    return ActiveGate(
        name=change.name,
        criterion=_criterion(change),
        role=GateRole.DRY_RUN if change.dry_run else acting,
        design_effect=change.design_effect,
        initial_delay=change.initial_delay,
        custom_key=custom_key(change) if change.is_custom else "",
    )


def _criterion(change: MetricGate) -> Criterion:
    if change.within is not None:
        return Within(change.within.low, change.within.high)
    if change.at_most is not None:
        return AtMost(change.at_most, change.margin)
    has_own_bound = change.is_custom or change.at_least
    default = AtLeast(change.at_least or 0.0) if has_own_bound else CATALOG[GateName(change.name)].default
    match default:
        case AtLeast(p=p):
            return AtLeast(p, min(change.margin, p))
        case AsReported():
            return AsReported(change.margin)
        case NotWorseThanControl():
            return NotWorseThanControl(change.odds_ratio)
    return default
