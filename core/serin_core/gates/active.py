"""Gates of one resource that are evaluated in a stage: the catalogue with the changes of the spec applied."""

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Final

from serin_core.api.built_in_gates import AtMostGate, BuiltInSettings, FeedbackGate
from serin_core.api.custom_gates import CustomGate
from serin_core.api.gate_names import GateMode, GateName
from serin_core.api.gate_options import RateSettings
from serin_core.api.gate_status import GateRole
from serin_core.api.spec import SuggestionModelSpec
from serin_core.by_identity import ByIdentity
from serin_core.contract.gate_catalog import AsReported, Criterion, NotWorseThanControl, built_in, has_control_group
from serin_core.counting.custom_counters import control_key, custom_key
from serin_core.evidence.bounds import AtLeast, AtMost, Within

GateSettings = BuiltInSettings | CustomGate
_KEPT: Final = 2_000
"""Specs, each in one stage, whose gates are kept: every check asks for them several times."""


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
    control_key: str = ""
    """The same of the control group's counters; "" if it has none of its own."""

    @property
    def counts_users(self) -> bool:
        """Whether each user is counted once; otherwise requests are counted."""
        gate = built_in(self.name)
        return gate is not None and gate.counts_users


def active_gates(spec: SuggestionModelSpec, *, percent: float) -> tuple[ActiveGate, ...]:
    """Return the gates that are evaluated in a stage: built-in gates in their order, then custom gates."""
    return _active_gates(ByIdentity(spec), percent)


@lru_cache(maxsize=_KEPT)
def _active_gates(spec: ByIdentity[SuggestionModelSpec], percent: float) -> tuple[ActiveGate, ...]:
    return tuple(
        _active(name, settings)
        for name, settings in spec.of.gates.active_gates()
        if _is_evaluated(spec.of, name, settings, percent)
    )


def read_by(spec: SuggestionModelSpec, *, percent: float) -> tuple[GateName, ...]:
    """Return the built-in gates whose series are needed in a stage."""
    return tuple(GateName(gate.name) for gate in active_gates(spec, percent=percent) if not gate.custom_key)


def acting_gates(spec: SuggestionModelSpec, *, percent: float) -> tuple[ActiveGate, ...]:
    """Return the gates that must all pass before the stage ends."""
    return tuple(gate for gate in active_gates(spec, percent=percent) if gate.role is GateRole.ACTING)


def alpha_fail(spec: SuggestionModelSpec) -> float:
    """Return the error probability of Fail for one gate in one stage: alphaRollback / (gates x stages)."""
    return _alpha_fail(ByIdentity(spec))


@lru_cache(maxsize=_KEPT)
def _alpha_fail(key: ByIdentity[SuggestionModelSpec]) -> float:
    spec = key.of
    stages = (0.0, *(step.percent for step in spec.canary.steps))
    gates = [
        name
        for name, settings in spec.gates.active_gates()
        if settings.mode is GateMode.ENFORCE and any(_is_evaluated(spec, name, settings, percent) for percent in stages)
    ]
    return spec.analysis.alpha_rollback / max(len(gates) * len(stages), 1)


def _is_evaluated(spec: SuggestionModelSpec, name: str, settings: GateSettings, percent: float) -> bool:
    if settings.stages is not None and percent not in settings.stages:
        return False
    if isinstance(settings, CustomGate):
        return settings.control is None or has_control_group(percent, spec.bake.holdback)
    gate = built_in(name)
    return gate is not None and gate.is_evaluated_at(percent, holdback=spec.bake.holdback)


def _active(name: str, settings: GateSettings) -> ActiveGate:
    is_optional = isinstance(settings, FeedbackGate) and not settings.required
    acting = GateRole.FAIL_ONLY if is_optional else GateRole.ACTING
    found = ActiveGate(
        name=name,
        criterion=_criterion(settings),
        role=GateRole.DRY_RUN if settings.mode is GateMode.DRY_RUN else acting,
        custom_key=custom_key(settings) if isinstance(settings, CustomGate) else "",
        control_key=control_key(settings) if isinstance(settings, CustomGate) else "",
    )
    if not isinstance(settings, RateSettings):
        return found
    return replace(found, design_effect=settings.design_effect, initial_delay=settings.initial_delay)


def _criterion(settings: GateSettings) -> Criterion:
    if isinstance(settings, FeedbackGate):
        return NotWorseThanControl(settings.odds_ratio)
    if isinstance(settings, CustomGate) and settings.control is not None:
        return NotWorseThanControl(settings.odds_ratio, fails_above=settings.odds_ratio)
    if isinstance(settings, CustomGate) and settings.within is not None:
        return Within(settings.within.low, settings.within.high)
    margin = settings.margin
    if isinstance(settings, AtMostGate | CustomGate) and settings.at_most is not None:
        return AtMost(settings.at_most, margin)
    if isinstance(settings, AtMostGate):
        return AsReported(margin)
    return AtLeast(settings.at_least or 0.0, margin)
