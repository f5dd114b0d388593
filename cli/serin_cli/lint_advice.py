"""Advice on a valid spec: likely mistakes, and whether its gates can reach a verdict in time. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Any, Final

from serin_cli.finding import Finding, Severity
from serin_cli.lint_checks import check_findings
from serin_cli.lint_queries import query_findings
from serin_cli.lint_waiting import waiting_advice
from serin_core.api.custom_gates import CustomGate
from serin_core.api.durations import format_duration
from serin_core.api.gate_names import GateName
from serin_core.api.gate_options import RateSettings
from serin_core.api.gate_status import GateRole
from serin_core.api.gates import Gates
from serin_core.api.spec import SuggestionModelSpec
from serin_core.evidence.bounds import Alphas, AtLeast, AtMost, Bound, Within
from serin_core.evidence.sample_size import certain_by, least
from serin_core.gates.active import ActiveGate, GateSettings, active_gates, alpha_fail
from serin_core.gates.queries import acting_queries
from serin_core.rollout.canary_steps import at_stage, soak_of, stages_of

_DAY: Final = timedelta(days=1)
_EVERYONE: Final = 100.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """Expected traffic: requests per second, and different users per day."""

    requests_per_second: float
    users_per_day: float


@dataclass(frozen=True, slots=True)
class _Stages:
    """The stages of a spec with the gates that judge each."""

    spec: SuggestionModelSpec
    alphas: Alphas
    gates: Mapping[float, tuple[ActiveGate, ...]]

    @classmethod
    def of(cls, spec: SuggestionModelSpec) -> "_Stages":
        alphas = Alphas(promote=spec.analysis.alpha_promote, rollback=alpha_fail(spec))
        return cls(spec, alphas, {share: active_gates(spec, percent=share) for share in stages_of(spec.canary)})


def advice(spec: Mapping[str, Any], traffic: Traffic | None) -> list[Finding]:
    """Return warnings and notes on a spec that has no errors: warnings first."""
    stages = _Stages.of(SuggestionModelSpec.model_validate(spec))
    found = [*_registry(stages.spec), *_stages(stages), *_options(stages), *_margins(stages), _plan(stages)]
    found += [*query_findings(stages.spec), *check_findings(stages.spec), *_bake(stages.spec)]
    found += [*waiting_advice(stages.spec), *_supervision(stages.spec)]
    if traffic is not None:
        found += _times_to_pass(stages, traffic)
    return sorted(found, key=lambda finding: finding.severity is Severity.NOTE)


def _warning(path: str, message: str) -> Finding:
    return Finding(path, message, Severity.WARNING)


def _registry(spec: SuggestionModelSpec) -> Iterator[Finding]:
    if spec.registry.is_directory and spec.registry.volume is None:
        message = f"missing: no volume is mounted, so the server's image must have runs in {spec.registry.uri}"
        yield _warning("spec.registry.volume", message)


def _supervision(spec: SuggestionModelSpec) -> Iterator[Finding]:
    if not spec.canary.supervision_timeout:
        message = "off: without an operator, the candidate serves users for ever"
        yield _warning("spec.canary.supervisionTimeout", message)


def _stages(stages: _Stages) -> Iterator[Finding]:
    spec = stages.spec
    for percent, gates in stages.gates.items():
        is_judged = any(gate.role is GateRole.ACTING for gate in gates) or acting_queries(spec, percent=percent)
        if not is_judged:
            yield _warning("spec.gates", f"no gate is active {at_stage(percent)}: the rollout would hold with NoGate")
        soak = soak_of(spec.canary, percent=percent)
        if soak > spec.analysis.max_duration:
            message = f"shorter than the soak of {format_duration(soak)} {at_stage(percent)}"
            yield _warning("spec.analysis.maxDuration", message)


def _bake(spec: SuggestionModelSpec) -> Iterator[Finding]:
    last = spec.canary.steps[-1].percent
    if spec.bake.duration and last < _EVERYONE:
        yield _warning("spec.bake", f"has no effect: the last step is {last:g} %, so the run is never promoted")


def _listed(gates: Gates) -> Iterator[tuple[str, str, GateSettings]]:
    """Yield path, name and settings of each gate that the spec lists and does not turn off."""
    for name, settings in gates.active_gates():
        if isinstance(settings, CustomGate):
            yield f"spec.gates.custom[{gates.custom.index(settings)}]", name, settings
        elif gates.listed(GateName(name)) is not None:
            yield f"spec.gates.{name}", name, settings


def _options(stages: _Stages) -> Iterator[Finding]:
    canary = stages.spec.canary
    # A step above the cap is no stage now, but is one when the cap is raised.
    known = {*stages.gates, *(step.percent for step in canary.steps), canary.percent}
    for path, _, settings in _listed(stages.spec.gates):
        if isinstance(settings, RateSettings):
            yield from _of_delay(path, settings.initial_delay, stages)
        for percent in sorted(set(settings.stages or ()) - known):
            yield _warning(f"{path}.stages", f"there is no stage at {percent:g} %")


def _of_delay(path: str, delay: timedelta, stages: _Stages) -> Iterator[Finding]:
    longest = stages.spec.analysis.max_duration
    if delay >= longest:
        yield _warning(f"{path}.initialDelay", f"not below analysis.maxDuration ({format_duration(longest)})")


def _margins(stages: _Stages) -> Iterator[Finding]:
    """Yield after how many requests a verdict is certain, for each gate with a margin."""
    by_name = {gate.name: gate for gates in stages.gates.values() for gate in gates}
    for path, name, _ in _listed(stages.spec.gates):
        gate = by_name.get(name)
        if gate is None or not isinstance(gate.criterion, AtLeast | AtMost) or not gate.criterion.margin:
            continue
        if (certain := certain_by(gate.criterion, stages.alphas)) is not None:
            message = f"{name} has a verdict after at most {_counted(certain * gate.design_effect, gate)}"
            yield Finding(f"{path}.margin", message, Severity.NOTE)


def _plan(stages: _Stages) -> Finding:
    soaks = {percent: soak_of(stages.spec.canary, percent=percent) for percent in stages.gates}
    steps = ", ".join(f"{format_duration(soak)} {at_stage(percent)}" for percent, soak in soaks.items())
    total = format_duration(sum(soaks.values(), timedelta()))
    bake = stages.spec.bake.duration
    then = f"; then it bakes for {format_duration(bake)}" if bake else ""
    return Finding("spec.canary", f"a rollout takes at least {total}: {steps}{then}", Severity.NOTE)


def _times_to_pass(stages: _Stages, traffic: Traffic) -> Iterator[Finding]:
    """Yield a warning for each gate that cannot pass in maxDuration, and by stage when its gates can pass."""
    longest = stages.spec.analysis.max_duration
    for percent, gates in stages.gates.items():
        slowest, text = timedelta(), ""
        for gate in gates:
            bound = gate.criterion
            if gate.role is not GateRole.ACTING or not isinstance(bound, AtLeast | AtMost | Within):
                continue
            fewest, _ = least(bound, stages.alphas)
            if fewest is None:
                continue
            required, seen = fewest * gate.design_effect, _seen(gate, longest, percent=percent, traffic=traffic)
            if seen < required:
                message = (
                    f"counts {_counted(seen, gate)} {at_stage(percent)} in {format_duration(longest)} "
                    f"(analysis.maxDuration), and needs at least {_counted(required, gate)}, all good"
                )
                yield _warning(f"spec.gates.{gate.name}", message + _remedy(bound, stages.alphas))
            elif (time := longest * (required / seen)) > slowest:
                slowest, text = time, f"{gate.name} needs {_counted(required, gate)}, all good"
        if text:
            earliest = format_duration(timedelta(seconds=ceil(slowest.total_seconds())))
            message = f"{at_stage(percent)}, the gates can pass after {earliest} at the earliest: {text}"
            yield Finding("spec.gates", message, Severity.NOTE)


def _remedy(bound: Bound, alphas: Alphas) -> str:
    return "" if certain_by(bound, alphas) else "; a margin, a less strict bound or a longer maxDuration would help"


def _counted(number: float, gate: ActiveGate) -> str:
    return f"{number:,.0f} {'users' if gate.counts_users else 'requests'}"


def _seen(gate: ActiveGate, time: timedelta, *, percent: float, traffic: Traffic) -> float:
    """Return how many requests or users a gate counts in this time of a stage."""
    counting = time - gate.initial_delay
    if gate.counts_users:
        # Agreement is judged on all users, everything else of a canary on the canary alone.
        return traffic.users_per_day * max(counting / _DAY, 1.0)
    share = 1.0 if percent == 0 else percent / 100
    return share * traffic.requests_per_second * counting.total_seconds()
