"""What is wrong with a manifest before it meets a cluster, and whether its gates can reach a verdict in time. Pure.

The API server refuses what cannot be; here it is said beforehand, with the same words, and what no schema knows is
said too: traffic that is too thin for a gate, and what would do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from serin_core.api.durations import format_duration
from serin_core.api.gates import COUNTS_USERS
from serin_core.api.spec import MAX_NAME_LENGTH, SuggestionModelSpec
from serin_core.api.status import GateRole
from serin_core.contract import names
from serin_core.contract.documents import one_line
from serin_core.evidence import Alphas, AtLeast, AtMost, Bound, Within, certain_by, least
from serin_core.gates import ActiveGate, active_gates, alpha_fail
from serin_core.rollout.canary_steps import effective_steps, soak_of


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is told of the traffic: requests a second, and how many different users make them in a day."""

    requests_per_second: float
    users_per_day: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One line about a manifest; an error makes it unusable, a warning does not."""

    where: str
    message: str
    is_error: bool = False

    def __str__(self) -> str:
        return f"{'error' if self.is_error else 'warning'}: {self.where}: {self.message}"


def lint(document: Any, traffic: Traffic | None) -> list[Finding]:
    """Answer all that is to be said of one manifest, errors first."""
    if not isinstance(document, Mapping) or document.get("kind") != names.KIND:
        return [Finding("kind", f"it is not a {names.KIND}", is_error=True)]
    found = list(_of_metadata(document))
    try:
        spec = SuggestionModelSpec.model_validate(document.get("spec") or {})
    except ValidationError as error:
        return [*found, Finding("spec", one_line(error), is_error=True)]
    if any(one.is_error for one in found):
        return found
    found += _of_stages(spec)
    return found if traffic is None else [*found, *_of_traffic(spec, traffic)]


def _of_metadata(document: Mapping[str, Any]) -> Iterator[Finding]:
    if document.get("apiVersion") != names.API_VERSION:
        yield Finding("apiVersion", f"expected {names.API_VERSION}", is_error=True)
    name = (document.get("metadata") or {}).get("name") or ""
    if not name:
        yield Finding("metadata.name", "it has no name", is_error=True)
    elif len(name) > MAX_NAME_LENGTH:
        message = f"at most {MAX_NAME_LENGTH} characters: names of children are made from it"
        yield Finding("metadata.name", message, is_error=True)


def _of_stages(spec: SuggestionModelSpec) -> Iterator[Finding]:
    for percent in (0.0, *effective_steps(spec.canary)):
        gates = active_gates(spec, percent=percent)
        place = _place(percent)
        if not any(gate.role is GateRole.ACTING for gate in gates):
            yield Finding(place, "no acting gate judges this stage: it would hold with NoGate")
        if soak_of(spec.canary, percent=percent) > spec.analysis.max_duration:
            yield Finding(place, "its soak is longer than analysis.maxDuration")
    stages = {0.0, *(step.percent for step in spec.canary.steps), spec.canary.percent}
    for gate in spec.gates.metrics:
        for wanted in sorted(set(gate.stages or ()) - stages):
            yield Finding(f"gates.metrics.{gate.name}.stages", f"there is no stage at {wanted:g} %")


def _of_traffic(spec: SuggestionModelSpec, traffic: Traffic) -> Iterator[Finding]:
    alphas = Alphas(promote=spec.analysis.alpha_promote, rollback=alpha_fail(spec))
    for percent in (0.0, *effective_steps(spec.canary)):
        for gate in active_gates(spec, percent=percent):
            seen = _counted(spec, gate, percent=percent, traffic=traffic) / gate.design_effect
            match gate.asked:
                case AtLeast() | AtMost() | Within() as bound if gate.role is GateRole.ACTING:
                    if message := _too_thin(gate, bound, alphas, seen=seen):
                        most = format_duration(spec.analysis.max_duration)
                        yield Finding(f"{_place(percent)}, gate {gate.name}", f"in {most} it counts {message}")
                case _:
                    continue


def _too_thin(gate: ActiveGate, bound: Bound, alphas: Alphas, *, seen: float) -> str:
    """Say why a gate cannot pass on so many counts, "" if it can."""
    fewest = least(bound, alphas).to_pass
    if fewest is None or seen >= fewest:
        return ""
    unit = "users" if gate.name in COUNTS_USERS else "requests"
    help_ = "" if certain_by(bound, alphas) else "; a margin, a less strict bound or a longer maxDuration would help"
    return f"{seen:,.0f} {unit}, and {fewest:,} without a single bad one are the fewest that prove it{help_}"


def _counted(spec: SuggestionModelSpec, gate: ActiveGate, *, percent: float, traffic: Traffic) -> float:
    time = spec.analysis.max_duration - gate.initial_delay
    # Agreement is judged on both arms, everything else of a canary on the canary alone.
    share = 1.0 if percent == 0 or gate.name in COUNTS_USERS else percent / 100
    if gate.name in COUNTS_USERS:
        return share * traffic.users_per_day * max(time / timedelta(days=1), 1.0)
    return share * traffic.requests_per_second * time.total_seconds()


def _place(percent: float) -> str:
    return "shadow" if percent == 0 else f"{percent:g} %"
