"""An initialDelay must fit into the soak of every stage in which its gate is evaluated: the stage would wait for it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from serin_core.api.gate_names import NOT_IN_SHADOW, GateName
from serin_core.api.gate_options import RateSettings
from serin_core.api.gates import Gates

DELAY_TOO_LONG: Final = (
    "an initialDelay is longer than the soak of a stage in which its gate is evaluated: shorten it, soak longer, or "
    "list the longer stages in the gate's stages"
)
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
DELAY_RULES: Final = tuple(
    (f"!has(self.gates) || !has(self.canary) || {rule}", DELAY_TOO_LONG)
    for rule in (*map(_of_built_in, _WITH_DELAY), _CUSTOM)
)
"""CEL rules of the whole spec, with their message; `delays_fit` is the same."""


def delays_fit(gates: Gates, shadow_soak: timedelta, soaks: Mapping[float, timedelta]) -> bool:
    """Return whether every delay fits; `soaks` by the percent of each step."""
    with_shadow = {0.0: shadow_soak, **soaks}
    built_in = all(
        _has_time(gate, soaks if name in NOT_IN_SHADOW else with_shadow)
        for name in _WITH_DELAY
        if isinstance(gate := gates.listed(name), RateSettings)
    )
    return built_in and all(_has_time(gate, with_shadow) for gate in gates.custom if gate.control is None)


def _has_time(gate: RateSettings, soaks: Mapping[float, timedelta]) -> bool:
    judged = (soak for percent, soak in soaks.items() if gate.stages is None or percent in gate.stages)
    return all(gate.initial_delay <= soak for soak in judged)
