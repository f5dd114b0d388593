"""The gates of a stage as bars: bound, estimate and its interval. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

from serin_cli.view_text import Line, Style, cut, line
from serin_core.api.gate_status import GateRole, GateStatus
from serin_core.evidence.counts import Verdict
from serin_core.gates import messages
from serin_core.gates.formatting import count, percent

_MARKS: Final[dict[Verdict, tuple[str, Style]]] = {
    Verdict.PASS: ("✔", "good"),
    Verdict.FAIL: ("✘", "bad"),
    Verdict.INCONCLUSIVE: ("·", "wait"),
}
_ROLES: Final = {GateRole.ACTING: "", GateRole.FAIL_ONLY: " can only fail", GateRole.DRY_RUN: " dry run"}
_LONGEST_NAME: Final = 18
_BAR: Final = 21
"""Characters of a bar."""
_NARROW: Final = 72
"""Columns below which bars are left out."""
_WIDE: Final = 105
"""Columns from which the interval is shown in numbers, too."""
_PADDING: Final = 0.15
"""Empty part of a bar's scale at each end."""
_SMALLEST: Final = 0.02
"""Least span of a scale."""


def gate_lines(gates: Sequence[GateStatus], width: int) -> list[Line]:
    """Return one line for each gate: verdict, bar, estimate and counts, bound, and what a verdict still needs."""
    longest = min(max((len(gate.name) for gate in gates), default=0), _LONGEST_NAME)
    return [cut(_gate(gate, longest, width), width) for gate in gates]


def _gate(gate: GateStatus, longest: int, width: int) -> Line:
    mark = _MARKS[gate.verdict]
    head = (" ", mark, f" {gate.name[:longest]:<{longest}} ")
    if gate.query is not None or gate.estimate is None or gate.total is None:
        return line(*head, (messages.describe(gate).removeprefix(gate.name).lstrip(": "), "dim"))
    drawn = (bar(gate), mark[1]) if width >= _NARROW else ""
    needed = f" ~{count(gate.needed)} more" if gate.needed and gate.verdict is Verdict.INCONCLUSIVE else ""
    numbers = f" {percent(gate.estimate):>8} of {count(gate.total):<7}"
    if width >= _WIDE:
        numbers += f" {_interval(gate):<19}"
    return line(*head, drawn, numbers, (f" {_bound(gate)}{_ROLES[gate.role]}", "dim"), (needed, "wait"))


def _bound(gate: GateStatus) -> str:
    if gate.at_least is not None:
        return f"≥ {percent(gate.at_least)}"
    if gate.at_most is not None:
        return f"≤ {percent(gate.at_most)}"
    if gate.within is not None:
        return f"{percent(gate.within.low).removesuffix(' %')}-{percent(gate.within.high)}"
    return "" if gate.odds_ratio is None else f"odds ≤ {gate.odds_ratio:g}"


def _interval(gate: GateStatus) -> str:
    if gate.lower is None or gate.upper is None:
        return ""
    return f"[{percent(gate.lower)}, {percent(gate.upper)}]"


def bar(gate: GateStatus) -> str:
    """Return a bar: `├──●──┤` is the estimate in its 95 percent interval, `│` a bound. Each has its own scale."""
    estimate = gate.estimate or 0.0
    low, high = _or(gate.lower, estimate), _or(gate.upper, estimate)
    bounds = [one for one in (gate.at_least, gate.at_most) if one is not None]
    if gate.within is not None:
        bounds += [gate.within.low, gate.within.high]
    place = _scale([low, high, estimate, *bounds])
    cells = [" "] * _BAR
    for index in range(place(low), place(high) + 1):
        cells[index] = "─"
    cells[place(low)], cells[place(high)] = "├", "┤"
    for bound in bounds:
        cells[place(bound)] = "│"
    cells[place(estimate)] = "●"
    return "".join(cells)


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _scale(shares: Sequence[float]) -> Callable[[float], int]:
    """Return what maps a share to its cell, so that all of these are within the bar."""
    low, high = min(shares), max(shares)
    padding = max((high - low) * _PADDING, _SMALLEST / 2)
    first, length = low - padding, high - low + 2 * padding
    return lambda share: round((share - first) / length * (_BAR - 1))
