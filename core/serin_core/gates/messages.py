"""Gates in plain text: the limit, a clause for messages, and a sentence for `serin explain`.

A message shows the numbers that gave the verdict: where harm began late, the counts since then; and as a bound the one
that the test of the verdict proves.
"""

from datetime import timedelta
from math import ceil, floor
from typing import Final

from serin_core.api.durations import format_duration
from serin_core.api.gate_status import GateRole, GateStatus
from serin_core.contract.gate_catalog import built_in
from serin_core.evidence.confidence_sequence import one_sided_bound
from serin_core.evidence.counts import Counts, Verdict
from serin_core.evidence.rate import Side
from serin_core.gates import query_messages
from serin_core.gates.formatting import count, percent
from serin_core.gates.result import OPEN, REASONS

_ROLES: Final = {GateRole.ACTING: "", GateRole.FAIL_ONLY: " (can only fail)", GateRole.DRY_RUN: " (dry run)"}
_NO_COUNTS: Final = ("NoData", OPEN)
_DIGITS: Final = 1e4
_MINUTE: Final = 60


def limit(gate: GateStatus) -> str:
    """Return what a gate requires: `at least 70 %`."""
    if gate.query is not None:
        return query_messages.limit(gate, gate.query)
    margin = f" (margin {percent(gate.margin)})" if gate.margin else ""
    if gate.at_least is not None:
        return f"at least {percent(gate.at_least)}{margin}"
    if gate.at_most is not None:
        return f"at most {percent(gate.at_most)}{margin}"
    if gate.within is not None:
        return f"between {percent(gate.within.low)} and {percent(gate.within.high)}"
    if gate.odds_ratio is not None:
        bad = "bad events" if built_in(gate.name) is None else "rejections"
        return f"{bad} at most {gate.odds_ratio:g} times as likely (odds) as in the control group"
    return "a limit that is not known yet"


def is_on_bad_side(gate: GateStatus) -> bool:
    """Return whether the estimate is worse than the gate requires, however uncertain, or whether there is none."""
    if gate.query is not None:
        return query_messages.is_on_bad_side(gate.query)
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
    """Return the counts of a gate in one clause: `agreement 68.3 % of 60 (at least 70 %)`."""
    role = _ROLES[gate.role]
    if gate.query is not None:
        return query_messages.describe(gate, gate.query) + role
    if gate.total is None or gate.estimate is None:
        why = "no data yet" if gate.reason in _NO_COUNTS else gate.reason
        return f"{gate.name}: {why} ({limit(gate)}){role}"
    whole = f"{percent(gate.estimate)} of {count(gate.total)}"
    if gate.late_harm is not None:
        late = gate.late_harm
        since = f"{percent(late.good / late.total)} of the last {count(late.total)}"
        return f"{gate.name} {since} ({limit(gate)}; {whole} in the whole stage){role}"
    missing = "" if gate.reason in REASONS else f", not evaluated ({gate.reason})"
    return f"{gate.name} {whole} ({limit(gate)}){role}{missing}"


def explain(gate: GateStatus, *, age: timedelta | None) -> str:
    """Return one sentence: what was counted, what that proves, what is required, and how much more a verdict needs.

    `age` is how long the stage has been counting, from which the rate of new counts follows; None for an ended stage.
    """
    head = f"{gate.name}{_ROLES[gate.role]}: "
    if gate.query is not None:
        return head + query_messages.explain(gate, gate.query)
    if gate.total is None or gate.good is None or gate.estimate is None:
        why = "no data yet" if gate.reason in _NO_COUNTS else f"no data ({_reason(gate)})"
        return f"{head}{why}; required: {limit(gate)}."
    whole = _counted(gate, gate.good, gate.total)
    detail = f" {gate.detail[0].upper()}{gate.detail[1:]}." if gate.detail and gate.reason in REASONS else ""
    if gate.late_harm is not None:
        late = gate.late_harm
        counted = f"late harm, since check {late.check}: {_counted(gate, late.good, late.total)}"
        detail = f" In the whole stage {whole}).{detail}"
    else:
        counted = whole
    return f"{head}{counted}{_bound(gate)}); needs {limit(gate)}: {_verdict(gate, age)}.{detail}"


def _counted(gate: GateStatus, good: float, total: float) -> str:
    known = built_in(gate.name)
    unit, phrase = ("requests", "are good") if known is None else (known.unit.value, known.phrase)
    return f"{count(good)} of {count(total)} {unit} {phrase} ({percent(good / total)}"


def _bound(gate: GateStatus) -> str:
    """Return the bound that the test of the verdict proves; "" where it proves none on the side of the verdict.

    Late harm has none: its beginning was chosen after seeing the counts.
    """
    if gate.alpha is None or not 0 < gate.alpha < 1 or gate.good is None or gate.total is None or gate.late_harm:
        return ""
    counts = Counts(min(gate.good, gate.total), gate.total)
    confidence = percent(1 - gate.alpha)
    low, high = _required(gate)
    if gate.verdict is Verdict.FAIL:
        below, above = _upper(counts, gate.alpha), _lower(counts, gate.alpha)
        if low is not None and below < low:
            return f", {confidence} upper bound {percent(below)}"
        return f", {confidence} lower bound {percent(above)}" if high is not None and above > high else ""
    margin, passes = gate.margin or 0.0, gate.verdict is Verdict.PASS
    bounds = []
    if low is not None:
        bound = _lower(counts, gate.alpha)
        bounds.append(f"lower bound {percent(max(bound, low - margin) if passes else bound)}")
    if high is not None:
        bound = _upper(counts, gate.alpha)
        bounds.append(f"upper bound {percent(min(bound, high + margin) if passes else bound)}")
    return f", {confidence} {' and '.join(bounds)}" if bounds else ""


def _required(gate: GateStatus) -> tuple[float | None, float | None]:
    """Return the minimum and the maximum that a gate requires."""
    if gate.within is not None:
        return gate.within.low, gate.within.high
    return gate.at_least, gate.at_most


def _lower(counts: Counts, alpha: float) -> float:
    return floor(_DIGITS * one_sided_bound(counts, Side.ABOVE, alpha)) / _DIGITS


def _upper(counts: Counts, alpha: float) -> float:
    return ceil(_DIGITS * one_sided_bound(counts, Side.BELOW, alpha)) / _DIGITS


def _verdict(gate: GateStatus, age: timedelta | None) -> str:
    match gate.verdict:
        case Verdict.PASS:
            return "passes"
        case Verdict.FAIL:
            return "fails"
        case Verdict.INCONCLUSIVE if gate.reason not in REASONS:
            return f"not evaluated ({_reason(gate)})"
        case Verdict.INCONCLUSIVE:
            return "no verdict when the stage ended" if age is None else f"no verdict yet{_needed(gate, age)}"


def _needed(gate: GateStatus, age: timedelta) -> str:
    if gate.needed is None or not gate.total:
        return "" if gate.odds_ratio is not None else ", too close to the threshold to estimate when"
    left = time_left(gate, age)
    if left is None or left.total_seconds() < 1:
        return f", about {gate.needed:,} more"
    return f", about {gate.needed:,} more, {format_duration(left)} at the present rate"


def time_left(gate: GateStatus, age: timedelta) -> timedelta | None:
    """Return about how long a gate takes to a verdict at the present rate of counts; None if that is not known.

    `age` is how long the stage has been counting.
    """
    if gate.needed is None or not gate.total:
        return None
    seconds = age.total_seconds() * gate.needed / gate.total
    return timedelta(seconds=round(seconds, -1 if seconds > _MINUTE else 0))


def _reason(gate: GateStatus) -> str:
    return f"{gate.reason}: {gate.detail}" if gate.detail else gate.reason
