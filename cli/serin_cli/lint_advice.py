"""Advice on a valid spec: likely mistakes, and whether its gates can reach a verdict in time. Pure."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from serin_cli.finding import Finding, Severity
from serin_cli.lint_checks import check_findings
from serin_cli.lint_queries import query_findings
from serin_cli.lint_traffic import Stages, Traffic, counted, times_to_pass
from serin_cli.lint_waiting import waiting_advice
from serin_core.api.custom_gates import CustomGate
from serin_core.api.durations import format_duration
from serin_core.api.gate_names import GateName
from serin_core.api.gate_options import RateSettings
from serin_core.api.gate_status import GateRole
from serin_core.api.gates import Gates
from serin_core.api.spec import SuggestionModelSpec
from serin_core.evidence.bounds import AtLeast, AtMost
from serin_core.evidence.sample_size import certain_by
from serin_core.gates.active import GateSettings
from serin_core.gates.queries import acting_queries
from serin_core.rollout.canary_steps import at_stage, known_stages, soak_of

_EVERYONE: Final = 100.0


def advice(spec: SuggestionModelSpec, traffic: Traffic | None) -> list[Finding]:
    """Return warnings and notes on a spec that has no errors: warnings first."""
    stages = Stages.of(spec)
    found = [*_registry(spec), *_stages(stages), *_options(stages), *_margins(stages), _plan(stages)]
    found += [*query_findings(spec), *check_findings(spec), *_bake(spec)]
    found += [*waiting_advice(spec), *_supervision(spec), *_scaling(spec)]
    if traffic is not None:
        found += times_to_pass(stages, traffic)
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


def _scaling(spec: SuggestionModelSpec) -> Iterator[Finding]:
    if spec.server.autoscaling is not None and "cpu" not in spec.server.resources.requests:
        message = "needs resources.requests.cpu, of which cpuUtilization is a percentage, unless a LimitRange sets it"
        yield _warning("spec.server.autoscaling", message)


def _stages(stages: Stages) -> Iterator[Finding]:
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


def _options(stages: Stages) -> Iterator[Finding]:
    known = known_stages(stages.spec.canary)
    for path, _, settings in _listed(stages.spec.gates):
        if isinstance(settings, RateSettings):
            yield from _of_delay(path, settings.initial_delay, stages)
        for percent in sorted(set(settings.stages or ()) - known):
            yield _warning(f"{path}.stages", f"there is no stage at {percent:g} %")


def _of_delay(path: str, delay: timedelta, stages: Stages) -> Iterator[Finding]:
    longest = stages.spec.analysis.max_duration
    if delay >= longest:
        yield _warning(f"{path}.initialDelay", f"not below analysis.maxDuration ({format_duration(longest)})")


def _margins(stages: Stages) -> Iterator[Finding]:
    """Yield after how many requests a verdict is certain, for each gate with a margin."""
    by_name = {gate.name: gate for gates in stages.gates.values() for gate in gates}
    for path, name, _ in _listed(stages.spec.gates):
        gate = by_name.get(name)
        if gate is None or not isinstance(gate.criterion, AtLeast | AtMost) or not gate.criterion.margin:
            continue
        if (certain := certain_by(gate.criterion, stages.alphas)) is not None:
            message = f"{name} has a verdict after at most {counted(certain * gate.design_effect, gate)}"
            yield Finding(f"{path}.margin", message, Severity.NOTE)


def _plan(stages: Stages) -> Finding:
    soaks = {percent: soak_of(stages.spec.canary, percent=percent) for percent in stages.gates}
    steps = ", ".join(f"{format_duration(soak)} {at_stage(percent)}" for percent, soak in soaks.items())
    total = format_duration(sum(soaks.values(), timedelta()))
    bake = stages.spec.bake.duration
    then = f"; then it bakes for {format_duration(bake)}" if bake else ""
    return Finding("spec.canary", f"a rollout takes at least {total}: {steps}{then}", Severity.NOTE)
