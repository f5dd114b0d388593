"""Charts of gates and shares as lines in SVG: each stage by itself, since evidence begins again with it. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from serin_core.api.gate_status import GateStatus
from serin_core.api.record import CurvePoint, SharePoint
from serin_core.evidence.counts import Verdict
from serin_core.gates.formatting import count, percent
from serin_core.rollout.canary_steps import stage_name
from serin_dashboard.axes import Axis, rate_ticks, span, time_label, time_ticks

WIDTH: Final = 720
HEIGHT: Final = 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 706.0, 22.0, 192.0
_ROWS: Final = 12
"""Rows of the table beside a chart."""


@dataclass(frozen=True, slots=True)
class VerdictPoint:
    """A verdict, and when it fell, in seconds since the trial began."""

    at: float
    verdict: Verdict
    estimate: float


@dataclass(frozen=True, slots=True)
class Segment:
    """The curve of one stage."""

    name: str
    x: float
    """Pixel at which the stage begins."""
    band: str
    """Corners of the confidence sequence, "" if there is none."""
    line: str
    """Corners of the estimate."""
    last: tuple[float, float] | None = None
    """Pixel of the last estimate."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A verdict in the chart."""

    x: float
    y: float
    verdict: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: pixels of its parts, and what it says in words."""

    segments: tuple[Segment, ...]
    bounds: tuple[tuple[float, str], ...]
    """Pixel and label of each bound of the gate."""
    marks: tuple[Mark, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    summary: str
    rows: tuple[tuple[str, ...], ...]
    """Time, stage, estimate, interval, total of some of the points, for readers without the picture."""
    width: int = WIDTH
    height: int = HEIGHT
    left: float = _LEFT
    right: float = _RIGHT
    top: float = _TOP
    bottom: float = _BOTTOM


def gate_chart(
    points: Sequence[CurvePoint], *, bounds: Sequence[tuple[float, str]], verdicts: Sequence[VerdictPoint]
) -> Chart | None:
    """Return the estimate of a gate and its confidence sequence over time; None without a count.

    `bounds` are rates with their labels.
    """
    counted = [point for point in points if point[3] > 0]
    if not counted:
        return None
    x = _time_axis([point[0] for point in counted] + [one.at for one in verdicts])
    y = Axis(*_rates(counted, [rate for rate, _ in bounds]), _BOTTOM, _TOP)
    return Chart(
        segments=tuple(_segment(stage, x, y) for stage in stages(counted)),
        bounds=tuple((y.at(rate), label) for rate, label in bounds),
        marks=tuple(
            Mark(x.at(one.at), y.at(one.estimate), one.verdict, f"{one.verdict} after {time_label(one.at)}")
            for one in verdicts
        ),
        x_ticks=tuple((x.at(at), label) for at, label in time_ticks(x.high)),
        y_ticks=tuple((y.at(rate), label) for rate, label in rate_ticks(y.low, y.high)),
        summary=_summary(counted, verdicts),
        rows=tuple(_row(point) for point in _some(counted)),
    )


def share_chart(points: Sequence[SharePoint], *, until: float) -> Chart | None:
    """Return the wanted and the actual percent of users over time; None where nobody was served."""
    if not any(wanted or users for _, wanted, users, _ in points):
        return None
    x, y = _time_axis([*(point[0] for point in points), until]), Axis(0.0, 1.0, _BOTTOM, _TOP)
    corners: list[tuple[float, float]] = []
    for at, wanted, _, _ in points:
        corners += [(at, corners[-1][1] if corners else 0.0), (at, wanted / 100)]
    corners.append((max(until, points[-1][0]), corners[-1][1]))
    actual = [(at, users / 100) for at, _, users, _ in points if users is not None]
    _, last, users, _ = points[-1]
    found = "not known" if users is None else f"{users:.1f} %"
    return Chart(
        segments=(
            Segment("wanted", _LEFT, "", _corners(corners, x, y)),
            Segment("actual", _LEFT, "", _corners(actual, x, y)),
        ),
        bounds=(),
        marks=(),
        x_ticks=tuple((x.at(at), label) for at, label in time_ticks(x.high)),
        y_ticks=tuple((y.at(rate), label) for rate, label in rate_ticks(0.0, 1.0)),
        summary=f"Wanted at the end: {last:g} % of users; actual: {found}.",
        rows=(),
    )


def stages(points: Sequence[CurvePoint]) -> list[list[CurvePoint]]:
    """Return the points by stage: a new one begins with another percent, and where counts begin again."""
    found: list[list[CurvePoint]] = []
    for point in points:
        if not found or found[-1][-1][1] != point[1] or point[3] < found[-1][-1][3]:
            found.append([])
        found[-1].append(point)
    return found


def limits_of(gate: GateStatus) -> list[tuple[float, str]]:
    """Return the rates that a gate is compared with, each with its label; [] where it is compared with no fixed one."""
    if gate.query is not None:
        return []
    found = []
    if gate.at_least is not None:
        found.append((gate.at_least, f"at least {percent(gate.at_least)}"))
    if gate.at_most is not None:
        found.append((gate.at_most, f"at most {percent(gate.at_most)}"))
    if gate.within is not None:
        found += [
            (gate.within.low, f"at least {percent(gate.within.low)}"),
            (gate.within.high, f"at most {percent(gate.within.high)}"),
        ]
    return found


def _time_axis(times: Iterable[float]) -> Axis:
    return Axis(0.0, max(max(times, default=0.0), 1.0), _LEFT, _RIGHT)


def _rates(points: Sequence[CurvePoint], bounds: Sequence[float]) -> tuple[float, float]:
    """Return the range of the vertical axis: bounds, estimates, and the intervals once they are of some use."""
    lower = [point[4] for point in points if point[4] is not None]
    upper = [point[5] for point in points if point[5] is not None]
    ends = [median(lower), median(upper)] if lower and upper else []
    return span([*bounds, *ends, *(_estimate(point) for point in points)], pad=0.12, least=0.02)


def _segment(points: Sequence[CurvePoint], x: Axis, y: Axis) -> Segment:
    band = [point for point in points if point[4] is not None and point[5] is not None]
    above = [f"{x.at(point[0])},{y.at(point[5] or 0.0)}" for point in band]
    below = [f"{x.at(point[0])},{y.at(point[4] or 0.0)}" for point in reversed(band)]
    return Segment(
        name=stage_name(points[0][1]),
        x=x.at(points[0][0]),
        band=" ".join([*above, *below]),
        line=_corners([(point[0], _estimate(point)) for point in points], x, y),
        last=(x.at(points[-1][0]), y.at(_estimate(points[-1]))),
    )


def _corners(points: Iterable[tuple[float, float]], x: Axis, y: Axis) -> str:
    return " ".join(f"{x.at(at)},{y.at(rate)}" for at, rate in points)


def _estimate(point: CurvePoint) -> float:
    return min(point[2] / point[3], 1.0)


def _summary(points: Sequence[CurvePoint], verdicts: Sequence[VerdictPoint]) -> str:
    last = points[-1]
    interval = f", 95 % interval {interval_of(last)}" if last[4] is not None else ""
    fell = "".join(f" {one.verdict} after {time_label(one.at)}." for one in verdicts)
    return f"Last: {percent(_estimate(last))} of {count(last[3])} in {stage_name(last[1])}{interval}.{fell}"


def interval_of(point: CurvePoint) -> str:
    """Return the 95 percent interval of a point, "" if there is none."""
    return "" if point[4] is None or point[5] is None else f"{percent(point[4])} to {percent(point[5])}"


def _row(point: CurvePoint) -> tuple[str, ...]:
    return time_label(point[0]), stage_name(point[1]), percent(_estimate(point)), interval_of(point), count(point[3])


def _some(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    """Return at most some of the points, evenly spread, with the first and the last one."""
    if len(points) <= _ROWS:
        return list(points)
    return [points[round(place * (len(points) - 1) / (_ROWS - 1))] for place in range(_ROWS)]


@dataclass(frozen=True, slots=True)
class Bar:
    """The interval and the estimate of a gate beside its bounds, in a narrow picture of 100 by 12."""

    low: float
    width: float
    estimate: float
    bounds: tuple[float, ...]


def gate_bar(gate: GateStatus) -> Bar | None:
    """Return the bar of a gate; None without a count."""
    if gate.estimate is None or gate.lower is None or gate.upper is None:
        return None
    limits = [rate for rate, _ in limits_of(gate)]
    estimate = min(gate.estimate, 1.0)
    ends = span([gate.lower, gate.upper, estimate, *limits], pad=0.1, least=0.02)
    return rate_bar(gate.lower, estimate, gate.upper, limits, ends=ends)


def rate_bar(
    lower: float, estimate: float, upper: float, limits: Iterable[float], *, ends: tuple[float, float] = (0.0, 1.0)
) -> Bar:
    """Return the bar of a rate, its interval and its limits, on an axis between two rates."""
    axis = Axis(*ends, 0.0, 100.0)
    low, high = axis.at(lower), axis.at(upper)
    return Bar(low, round(max(high - low, 0.5), 1), axis.at(estimate), tuple(axis.at(rate) for rate in limits))
