"""An initialDelay must fit into the soak of every stage in which its gate is evaluated: the stage would wait for it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from serin_core.api.gate_names import NOT_IN_SHADOW, GateName
from serin_core.api.gate_options import RateSettings
from serin_core.api.gates import Gates

_WITH_DELAY: Final = (
    GateName.AVAILABILITY,
    GateName.ERRORS,
    GateName.LATENCY,
    GateName.AGREEMENT,
    GateName.ACCEPTED_RATIO,
    GateName.LOW_CONFIDENCE,
    GateName.FALLBACK,
)
"""Built-in gates that have an initialDelay."""


def too_long(place: str) -> str:
    """Return the message of a rule; `place` is the gate's field in spec.gates."""
    return (
        f"gates.{place}.initialDelay is longer than the soak of a stage in which the gate is evaluated: shorten it, "
        "soak longer, or list only longer stages in the gate's stages"
    )


def _fits(gate: str, *, in_shadow: bool) -> str:
    delay = f"(has({gate}.initialDelay) ? duration({gate}.initialDelay) : duration('0s'))"
    steps = (
        f"self.canary.steps.all(s, (has({gate}.stages) && !(s.percent in {gate}.stages)) || "
        f"{delay} <= duration(has(s.soak) ? s.soak : '24h'))"
    )
    shadow = f"((has({gate}.stages) && !(0.0 in {gate}.stages)) || {delay} <= duration(self.canary.shadowSoak))"
    return f"({shadow} && {steps})" if in_shadow else f"({steps})"


def _of_built_in(name: GateName) -> str:
    gate = f"self.gates.{name.value}"
    return f"(!has({gate}) || {_fits(gate, in_shadow=name not in NOT_IN_SHADOW)})"


_CUSTOM: Final = (
    f"(!has(self.gates.custom) || self.gates.custom.all(g, has(g.control) || {_fits('g', in_shadow=True)}))"
)
_BY_PLACE: Final = {name.value: _of_built_in(name) for name in _WITH_DELAY} | {"custom[]": _CUSTOM}
DELAY_RULES: Final = tuple(
    (f"!has(self.gates) || !has(self.canary) || {rule}", too_long(place)) for place, rule in _BY_PLACE.items()
)
"""CEL rules of the whole spec, with their messages; `delay_problem` is the same."""


def delay_problem(gates: Gates, shadow_soak: timedelta, soaks: Mapping[float, timedelta]) -> str:
    """Return which delay does not fit, "" if all do; `soaks` by the percent of each step."""
    with_shadow = {0.0: shadow_soak, **soaks}
    for name in _WITH_DELAY:
        stages, gate = soaks if name in NOT_IN_SHADOW else with_shadow, gates.listed(name)
        if isinstance(gate, RateSettings) and not _has_time(gate, stages):
            return too_long(name.value)
    fit = all(_has_time(gate, with_shadow) for gate in gates.custom if gate.control is None)
    return "" if fit else too_long("custom[]")


def _has_time(gate: RateSettings, soaks: Mapping[float, timedelta]) -> bool:
    judged = (soak for percent, soak in soaks.items() if gate.stages is None or percent in gate.stages)
    return all(gate.initial_delay <= soak for soak in judged)
