"""The page of a simulation: one HTML file that loads nothing, with charts as SVG. Pure."""

from collections.abc import Sequence
from importlib.resources import files
from math import ceil, floor, log10
from typing import Final

import jinja2

from serin_cli.simulation_text import clock, reasons, share
from serin_core.rollout.canary_steps import stage_name
from serin_simulation.summary import StageSummary, Summary

_COLOURS: Final = ("#0b8a62", "#d2521a", "#4a73c4", "#a58345", "#8561b8")
"""Of the rules; readable on light and on dark ground."""
_TICKS: Final = {
    60: "1m",
    600: "10m",
    3600: "1h",
    6 * 3600: "6h",
    86_400: "1d",
    604_800: "1w",
    2_592_000: "30d",
}
"""Labels of the time axis, by seconds."""
_CORNERS: Final = 200
"""Corners of a curve, at most."""
_LONGEST_BAR: Final = 514
"""Width of the longest bar."""


class _Chart:
    """The share of rollouts that have ended in one way, over time on a logarithmic axis; one chart for each end."""

    width, height, left, right, top, bottom = 760, 240, 56, 748, 16, 196

    def __init__(self, summaries: Sequence[Summary]) -> None:
        times = [at for one in summaries for at in (*one.promoted_after, *one.rolled_back_after) if at > 0]
        self._low = floor(10 * log10(min(times, default=60))) / 10
        self._high = max(ceil(10 * log10(max(times, default=3600))) / 10, self._low + 0.5)
        self.marks = [(self.x(at), label) for at, label in _TICKS.items() if self._low <= log10(at) <= self._high]
        """Where the labels of the time axis are."""
        coloured = list(zip(summaries, _COLOURS, strict=False))
        self.key = [(one.rule, colour) for one, colour in coloured]
        """The colour of each rule."""
        # The first is the widest, so that equal curves are all seen.
        drawn = [(one, colour, 2 + 1.2 * (len(coloured) - 1 - at)) for at, (one, colour) in enumerate(coloured)]
        self.ends = {
            "Promoted": [(*style, self._points(one.promoted_after, one)) for one, *style in drawn],
            "Rolled back": [(*style, self._points(one.rolled_back_after, one)) for one, *style in drawn],
        }
        """Of each end the colour of each rule, the width of its curve and the points of its share."""

    def x(self, seconds: float) -> float:
        """Return where a time is, in pixels."""
        part = (log10(max(seconds, 10**self._low)) - self._low) / (self._high - self._low)
        return round(self.left + (self.right - self.left) * part, 1)

    def y(self, part: float) -> float:
        """Return where a share is, in pixels."""
        return round(self.top + (self.bottom - self.top) * (1 - part), 1)

    def _points(self, ends: Sequence[float], summary: Summary) -> str:
        if not ends:
            return ""
        corners = _steps(ends, summary.rollouts)
        corners.append((10**self._high, corners[-1][1]))
        return " ".join(f"{self.x(at)},{self.y(part)}" for at, part in corners)


def render(summaries: Sequence[Summary], *, title: str, head: str, notes: Sequence[str]) -> str:
    """Return the page."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"clock": clock, "stage_name": stage_name, "reasons": reasons, "share": share}
    template = environment.from_string(files("serin_cli").joinpath("simulation_page.html.j2").read_text("utf-8"))
    return template.render(
        stylesheet=files("serin_core").joinpath("pages", "base.css").read_text("utf-8"),
        summaries=summaries,
        title=title,
        head=head,
        notes=notes,
        chart=_Chart(summaries),
        bars=_bars(summaries[0].stages),
    )


def _steps(ends: Sequence[float], rollouts: int) -> list[tuple[float, float]]:
    """Return the corners of the share that has ended by each time, at most some hundreds."""
    every = max(1, len(ends) // _CORNERS)
    corners = [(ends[0], 0.0)]
    for first in range(0, len(ends), every):
        last = min(first + every, len(ends)) - 1
        corners += [(ends[last], corners[-1][1]), (ends[last], (last + 1) / rollouts)]
    return corners


def _bars(stages: Sequence[StageSummary]) -> list[tuple[StageSummary, float, float]]:
    """Return each stage with the widths of its median and of its ninth decile."""
    scale = _LONGEST_BAR / (max((stage.ninth_decile or 0 for stage in stages), default=0) or 1)
    return [
        (stage, round(scale * (stage.median or 0), 1), round(scale * (stage.ninth_decile or 0), 1)) for stage in stages
    ]
