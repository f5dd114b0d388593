"""Whether the gates of a spec can pass with an expected traffic, and how long each stage then takes. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Final

from serin_cli.finding import Finding, Severity
from serin_core.api.durations import format_duration
from serin_core.api.gate_status import GateRole
from serin_core.api.spec import SuggestionModelSpec
from serin_core.evidence.bounds import Alphas, AtLeast, AtMost, Bound, Within
from serin_core.evidence.sample_size import certain_by, least
from serin_core.gates.active import ActiveGate, active_gates, alpha_fail
from serin_core.rollout.canary_steps import at_stage, soak_of, stages_of

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Expected traffic: requests per second, and different users per day."""

    requests_per_second: float
    users_per_day: float


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of a spec with the gates that judge each."""

    spec: SuggestionModelSpec
    alphas: Alphas
    gates: Mapping[float, tuple[ActiveGate, ...]]

    @classmethod
    def of(cls, spec: SuggestionModelSpec) -> "Stages":
        """Return the stages of a spec."""
        alphas = Alphas(promote=spec.analysis.alpha_promote, rollback=alpha_fail(spec))
        return cls(spec, alphas, {share: active_gates(spec, percent=share) for share in stages_of(spec.canary)})


def times_to_pass(stages: Stages, traffic: Traffic) -> Iterator[Finding]:
    """Yield a warning for each gate that cannot pass in maxDuration, and how long stages and rollout take at least."""
    whole, parts, is_complete = timedelta(), list[str](), True
    for percent in stages.gates:
        found, slowest, text = _of_stage(stages, traffic, percent)
        yield from found
        is_complete = is_complete and not found
        if text:
            earliest = f"the gates can pass after {format_duration(slowest)} at the earliest"
            yield Finding("spec.gates", f"{at_stage(percent)}, {earliest}: {text}", Severity.NOTE)
        takes = max(soak_of(stages.spec.canary, percent=percent), slowest)
        whole += takes
        parts.append(f"{format_duration(takes)} {at_stage(percent)}")
    if is_complete:
        message = f"with this traffic a rollout takes at least {format_duration(whole)}: {', '.join(parts)}"
        yield Finding("spec.canary", message, Severity.NOTE)


def _of_stage(stages: Stages, traffic: Traffic, percent: float) -> tuple[list[Finding], timedelta, str]:
    """Return warnings of one stage, the earliest time at which all its gates can pass, and the gate that is slowest."""
    longest = stages.spec.analysis.max_duration
    found, slowest, text = list[Finding](), timedelta(), ""
    for gate in stages.gates[percent]:
        bound = gate.criterion
        if gate.role is not GateRole.ACTING or not isinstance(bound, AtLeast | AtMost | Within):
            continue
        fewest, _ = least(bound, stages.alphas)
        if fewest is None:
            continue
        required, seen = fewest * gate.design_effect, _seen(gate, longest, percent=percent, traffic=traffic)
        if seen < required:
            message = (
                f"counts {counted(seen, gate)} {at_stage(percent)} in {format_duration(longest)} "
                f"(analysis.maxDuration), and needs at least {counted(required, gate)}, all good"
            )
            path = f"spec.gates.{gate.name}"
            found.append(Finding(path, message + _remedy(bound, stages.alphas), Severity.WARNING))
        elif (time := longest * (required / seen)) > slowest:
            slowest, text = time, f"{gate.name} needs {counted(required, gate)}, all good"
    return found, timedelta(seconds=ceil(slowest.total_seconds())), text


def counted(number: float, gate: ActiveGate) -> str:
    """Return a number of what a gate counts: `1,460 users`."""
    return f"{number:,.0f} {'users' if gate.counts_users else 'requests'}"


def _remedy(bound: Bound, alphas: Alphas) -> str:
    return "" if certain_by(bound, alphas) else "; a margin, a less strict bound or a longer maxDuration would help"


def _seen(gate: ActiveGate, time: timedelta, *, percent: float, traffic: Traffic) -> float:
    """Return how many requests or users a gate counts in this time of a stage."""
    counting = time - gate.initial_delay
    if gate.counts_users:
        # Agreement is judged on all users, everything else of a canary on the canary alone.
        return traffic.users_per_day * max(counting / _DAY, 1.0)
    share = 1.0 if percent == 0 else percent / 100
    return share * traffic.requests_per_second * counting.total_seconds()
