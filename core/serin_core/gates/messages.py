"""Gates in words: limits, one clause, and one sentence for people who ask why. Pure: a GateStatus in, text out."""

from datetime import timedelta
from typing import Final

from serin_core.api.durations import format_duration
from serin_core.api.gates import GateName
from serin_core.api.status import GateRole, GateStatus
from serin_core.evidence import Verdict

_UNIT: Final = {GateName.AGREEMENT.value: "users", GateName.FEEDBACK.value: "answers with feedback"}
_WHAT: Final = {
    GateName.AVAILABILITY.value: "could be answered by the run",
    GateName.ERRORS.value: "went without an error",
    GateName.LATENCY.value: "took at most 0.1 s",
    GateName.AGREEMENT.value: "agree",
    GateName.ACCEPTED_RATIO.value: "that were eligible used the run",
    GateName.LOW_CONFIDENCE.value: "were under their threshold",
    GateName.FEEDBACK.value: "were accepted",
    GateName.PER_CLASS.value: "agree",
}
_ROLES: Final = {GateRole.ACTING: "", GateRole.FAIL_ONLY: " (can only fail)", GateRole.DRY_RUN: " (dry run)"}


def limit(gate: GateStatus) -> str:
    """Say what a gate asks for: `at least 70 %`."""
    if gate.at_least is not None:
        return f"at least {_percent(gate.at_least)}"
    if gate.at_most is not None:
        return f"at most {_percent(gate.at_most)}"
    if gate.within is not None:
        return f"within {_percent(gate.within.low)} and {_percent(gate.within.high)}"
    if gate.odds_ratio is not None:
        return f"odds at most {gate.odds_ratio:g} times"
    return "a bound that is not known yet"


def is_on_bad_side(gate: GateStatus) -> bool:
    """Answer whether the estimate, however unsure, lies where the gate does not want it, or there is none."""
    rate = gate.estimate
    if rate is None:
        return True
    return (
        (gate.at_least is not None and rate < gate.at_least)
        or (gate.at_most is not None and rate > gate.at_most)
        or (gate.within is not None and not gate.within.low <= rate <= gate.within.high)
        or (gate.odds_ratio is not None and gate.verdict is not Verdict.PASS)
    )


def describe(gate: GateStatus) -> str:
    """Say in one clause what a gate has seen: `agreement 68.3 % of 60 (at least 70 %)`."""
    if gate.total is None or gate.estimate is None:
        return f"{gate.name} ({limit(gate)}): {gate.reason}"
    return f"{gate.name} {100 * gate.estimate:.1f} % of {gate.total:.0f} ({limit(gate)}){_ROLES[gate.role]}"


def explain(gate: GateStatus, *, age: timedelta) -> str:
    """Say in a sentence what was counted, how sure that is, what is asked for, and what a verdict still needs.

    `age` is how long the stage has been counting: it gives the rate at which evidence comes in.
    """
    head = f"{gate.name}{_ROLES[gate.role]}: "
    if gate.total is None or gate.good is None or gate.estimate is None:
        return f"{head}nothing counted yet ({gate.reason}); asks for {limit(gate)}."
    unit = _UNIT.get(gate.name, "requests")
    what = _WHAT.get(gate.name, "are good")
    counted = f"{gate.good:,.0f} of {gate.total:,.0f} {unit} {what} ({_percent(round(gate.estimate, 3))}"
    sure = f", surely {_surely(gate)})" if gate.lower is not None and gate.upper is not None else ")"
    detail = f" {gate.detail[0].upper()}{gate.detail[1:]}." if gate.detail else ""
    return f"{head}{counted}{sure}; needs {limit(gate)}: {_verdict(gate, age)}.{detail}"


def _surely(gate: GateStatus) -> str:
    low, high = gate.lower or 0.0, 1.0 if gate.upper is None else gate.upper
    if low <= 0:
        return f"below {_percent(high)}"
    if high >= 1:
        return f"above {_percent(low)}"
    return f"between {_percent(low)} and {_percent(high)}"


def _verdict(gate: GateStatus, age: timedelta) -> str:
    match gate.verdict:
        case Verdict.PASS:
            return "passes"
        case Verdict.FAIL:
            return "fails"
        case Verdict.INCONCLUSIVE:
            return f"no verdict yet, {_left(gate, age)}"


def _left(gate: GateStatus, age: timedelta) -> str:
    if gate.needed is None or not gate.total:
        return "it lies too near the bound for any to be foreseen" if gate.total else gate.reason
    seconds = age.total_seconds() * gate.needed / gate.total
    if seconds < 1:
        return "at the next look"
    at_this_rate = format_duration(timedelta(seconds=round(seconds, -1 if seconds > 60 else 0)))  # noqa: PLR2004 - a minute
    return f"about {gate.needed:,} more, {at_this_rate} at the present rate"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
