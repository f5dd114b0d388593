"""The gates of one resource: what each asks for, in which stages, and what its verdict may do.

A gate reads series by name and label (names.py) and never asks where they came from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from serin_core.api.gates import GateName, MetricGate
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import GateRole
from serin_core.counting import own_key
from serin_core.evidence import AtLeast, AtMost, Bound, Within

ABOVE_PROMISE: Final = 0.05
"""By how much the share of doubtful answers may exceed what the run's report promises."""


@dataclass(frozen=True, slots=True)
class AsReported:
    """At most what the run's own report promises, and ABOVE_PROMISE more."""

    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class NotWorseThanControl:
    """Two arms: the odds of a bad outcome in the canary against those of the control group."""

    odds_ratio: float


Criterion = Bound | AsReported | NotWorseThanControl


@dataclass(frozen=True, slots=True)
class ActiveGate:
    """A gate as one resource sets it, where it judges."""

    name: str
    asked: Criterion
    role: GateRole = GateRole.ACTING
    design_effect: float = 1.0
    initial_delay: timedelta = timedelta()
    own: str = ""
    """The `own_key` of its counters; "" for a built-in gate."""


_DEFAULTS: Final[Mapping[GateName, Criterion]] = {
    GateName.AVAILABILITY: AtLeast(0.90),
    GateName.ERRORS: AtLeast(0.99),
    GateName.LATENCY: AtLeast(0.99),
    GateName.AGREEMENT: AtLeast(0.70),
    GateName.ACCEPTED_RATIO: AtLeast(0.95),
    GateName.LOW_CONFIDENCE: AsReported(),
    GateName.FEEDBACK: NotWorseThanControl(1.5),
    GateName.PER_CLASS: AtLeast(0.60),
}
# Only who names it wants a gate by class: it asks every class for traffic.
_UNCHANGED: Final[Mapping[GateName, MetricGate]] = {
    name: MetricGate(name=name.value, disabled=name is GateName.PER_CLASS) for name in GateName
}
_EVERYBODY: Final = 100.0
_JUDGES_AT: Final[Mapping[GateName, Callable[[float], bool]]] = {
    GateName.ACCEPTED_RATIO: lambda percent: percent > 0,
    GateName.LOW_CONFIDENCE: lambda percent: percent > 0,
    # Two arms: somebody must be in each of them.
    GateName.FEEDBACK: lambda percent: 0 < percent < _EVERYBODY,
}


def active_gates(spec: SuggestionModelSpec, *, percent: float) -> tuple[ActiveGate, ...]:
    """Answer the gates that judge a stage of this share: the built-in ones in their order, then the user's own."""
    changes = {change.name: change for change in spec.gates.metrics}
    built_in = (changes.get(name.value) or _UNCHANGED[name] for name in GateName)
    own = (change for change in spec.gates.metrics if change.is_custom)
    return tuple(_active(change) for change in (*built_in, *own) if _judges(change, percent))


def read_by(spec: SuggestionModelSpec, *, percent: float) -> tuple[GateName, ...]:
    """Answer the built-in gates whose series a stage of this share needs."""
    return tuple(GateName(gate.name) for gate in active_gates(spec, percent=percent) if not gate.own)


def acting_gates(spec: SuggestionModelSpec, *, percent: float) -> tuple[ActiveGate, ...]:
    """Answer those without whose Pass the stage does not end."""
    return tuple(gate for gate in active_gates(spec, percent=percent) if gate.role is GateRole.ACTING)


def alpha_fail(spec: SuggestionModelSpec) -> float:
    """Answer the error that one gate may spend on Fail in one stage: alphaRollback / (gates x stages)."""
    stages = (0.0, *(step.percent for step in spec.canary.steps))
    gates = {
        gate.name
        for percent in stages
        for gate in active_gates(spec, percent=percent)
        if gate.role is not GateRole.DRY_RUN
    }
    return spec.analysis.alpha_rollback / max(len(gates) * len(stages), 1)


def _judges(change: MetricGate, percent: float) -> bool:
    if change.disabled:
        return False
    is_possible = (
        change.is_custom or GateName(change.name) not in _JUDGES_AT or _JUDGES_AT[GateName(change.name)](percent)
    )
    return is_possible and (change.stages is None or percent in change.stages)


def _active(change: MetricGate) -> ActiveGate:
    is_optional = change.name == GateName.FEEDBACK and not change.required
    acting = GateRole.FAIL_ONLY if is_optional else GateRole.ACTING
    return ActiveGate(
        name=change.name,
        asked=_asked(change),
        role=GateRole.DRY_RUN if change.dry_run else acting,
        design_effect=change.design_effect,
        initial_delay=change.initial_delay,
        own=own_key(change) if change.is_custom else "",
    )


def _asked(change: MetricGate) -> Criterion:
    if change.within is not None:
        return Within(change.within.low, change.within.high)
    if change.at_most is not None:
        return AtMost(change.at_most, change.margin)
    default = (
        AtLeast(change.at_least or 0.0) if change.is_custom or change.at_least else _DEFAULTS[GateName(change.name)]
    )
    match default:
        case AtLeast(p=p):
            return AtLeast(p, min(change.margin, p))
        case AsReported():
            return AsReported(change.margin)
        case NotWorseThanControl():
            return NotWorseThanControl(change.odds_ratio)
        case other:
            return other
