"""The page of a simulation: one HTML file with nothing outside it, curves as SVG. Pure: summaries in, text out."""

from collections.abc import Callable, Sequence
from html import escape
from math import ceil, floor, log10

from serin_cli.simulate_text import clock, reasons, share
from serin_simulation.summary import StageSummary, Summary

_COLOURS = ("#0b6e4f", "#c1440e", "#3d5a98", "#8a6d3b", "#6a4c93")
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 760, 300, 56, 16, 44
_MARKS = ((60, "1m"), (600, "10m"), (3600, "1h"), (6 * 3600, "6h"), (86_400, "1d"), (604_800, "1w"), (2_592_000, "30d"))
_CAPTION = (
    '<p class="dim">Share of all rollouts, by the time since the first stage began: promoted (solid), rolled back '
    "(dashed). The axis of time is logarithmic.</p>"
)
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2321;max-width:50rem;margin:2rem auto;padding:0 1rem;background:#fff}
h1{font-size:1.4rem} h2{font-size:1.1rem;margin-top:2rem} table{border-collapse:collapse;margin:.5rem 0 1rem}
th,td{text-align:right;padding:.2rem .8rem;border-bottom:1px solid #dfe5e2}
th:first-child,td:first-child{text-align:left}
svg{width:100%;height:auto} .dim{color:#5c6b66} .key span{margin-right:1.2rem;white-space:nowrap}
.key i{display:inline-block;width:1.6rem;border-top:3px solid;margin:0 .4rem .2rem 0;vertical-align:middle}
"""


def render(summaries: Sequence[Summary], *, title: str, head: str, notes: Sequence[str]) -> str:
    """Answer the whole page."""
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(head)}</p>",
        _table_of_ends(summaries),
        "<h2>When rollouts end</h2>",
        _key(summaries),
        _curves(summaries),
        _CAPTION,
        f"<h2>How long each stage takes: {escape(summaries[0].rule)}</h2>",
        _bars(summaries[0].stages),
        *(f"<h2>{escape(one.rule)}</h2>{_table_of_stages(one)}{_table_of_reasons(one)}" for one in summaries),
        *(f'<p class="dim">{escape(note)}</p>' for note in notes),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _table_of_ends(summaries: Sequence[Summary]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.rule)}</td><td>{share(one.ends['Promoted'] + one.ends['AtCap'], one)}</td>"
        f"<td>{share(one.ends['RolledBack'], one)}</td><td>{share(one.ends['Held'], one)}</td></tr>"
        for one in summaries
    )
    return f"<table><tr><th>rule</th><th>promoted</th><th>rolled back</th><th>held</th></tr>{rows}</table>"


def _table_of_stages(one: Summary) -> str:
    rows = "".join(
        f"<tr><td>{_place(stage)}</td><td>{stage.entered:,}</td><td>{stage.left:,}</td><td>{clock(stage.median)}</td>"
        f"<td>{clock(stage.ninth_decile)}</td></tr>"
        for stage in one.stages
    )
    head = "<tr><th>stage</th><th>entered</th><th>left for the next</th><th>median</th><th>90 %</th></tr>"
    return f"<table>{head}{rows}</table>"


def _table_of_reasons(one: Summary) -> str:
    rows = "".join(f"<tr><td>{escape(why)}</td><td>{share(many, one)}</td></tr>" for why, many in reasons(one))
    return f"<table>{rows}</table>" if rows else ""


def _key(summaries: Sequence[Summary]) -> str:
    spans = (
        f'<span><i style="border-color:{colour}"></i>{escape(one.rule)}</span>'
        for one, colour in zip(summaries, _COLOURS, strict=False)
    )
    return f'<p class="key">{"".join(spans)}</p>'


def _curves(summaries: Sequence[Summary]) -> str:
    times = [at for one in summaries for at in (*one.promoted_after, *one.rolled_back_after) if at > 0]
    low, high = floor(10 * log10(min(times, default=60))) / 10, ceil(10 * log10(max(times, default=3600))) / 10
    high = max(high, low + 0.5)

    def x(seconds: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 12) * (log10(max(seconds, 10**low)) - low) / (high - low)

    def y(part: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - part)

    lines = [_grid(y), *_marks(x, low, high)]
    for one, colour in zip(summaries, _COLOURS, strict=False):
        for ends, dashes in ((one.promoted_after, ""), (one.rolled_back_after, ' stroke-dasharray="6 5"')):
            if ends:
                points = _steps(ends, one.rollouts)
                path = " ".join(f"{x(at):.1f},{y(part):.1f}" for at, part in [*points, (10**high, points[-1][1])])
                lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2.2"{dashes} points="{path}"/>')
    return _svg(_HEIGHT, "Share of rollouts promoted and rolled back over time", lines)


def _steps(ends: Sequence[float], rollouts: int) -> list[tuple[float, float]]:
    """Answer the corners of the share that has ended by each time, at most a few hundred of them."""
    every = max(1, len(ends) // 200)
    corners = [(ends[0], 0.0)]
    for place in range(0, len(ends), every):
        last = min(place + every, len(ends)) - 1
        corners += [(ends[last], corners[-1][1]), (ends[last], (last + 1) / rollouts)]
    return corners


def _grid(y: Callable[[float], float]) -> str:
    return "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH - 12}" y1="{y(part):.1f}" y2="{y(part):.1f}" stroke="#e3e9e6"/>'
        f'<text x="{_LEFT - 8}" y="{y(part) + 4:.1f}" text-anchor="end">{100 * part:.0f} %</text>'
        for part in (0, 0.25, 0.5, 0.75, 1)
    )


def _marks(x: Callable[[float], float], low: float, high: float) -> list[str]:
    return [
        f'<text x="{x(at):.1f}" y="{_HEIGHT - 18}" text-anchor="middle">{told}</text>'
        f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" stroke="#f0f3f2"/>'
        for at, told in _MARKS
        if low <= log10(at) <= high
    ]


def _bars(stages: Sequence[StageSummary]) -> str:
    longest = max((stage.ninth_decile or 0 for stage in stages), default=0) or 1
    room, row = _WIDTH - _LEFT - 190, 30
    lines = []
    for place, stage in enumerate(stages):
        top, median, ninth = 8 + row * place, stage.median or 0, stage.ninth_decile or 0
        told = f"{clock(stage.median)}, 90 %: {clock(stage.ninth_decile)}" if stage.left else "nobody left it"
        lines.append(
            f'<text x="{_LEFT + 4}" y="{top + 15}" text-anchor="end">{_place(stage)}</text>'
            f'<rect x="{_LEFT + 12}" y="{top}" width="{room * ninth / longest:.1f}" height="20" fill="#b9d8cc"/>'
            f'<rect x="{_LEFT + 12}" y="{top}" width="{room * median / longest:.1f}" height="20" fill="{_COLOURS[0]}"/>'
            f'<text x="{_LEFT + 20 + room * ninth / longest:.1f}" y="{top + 15}">{told}</text>'
        )
    return _svg(16 + row * len(stages), "Median and ninth decile of the time in each stage", lines)


def _svg(height: int, told: str, lines: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(told)}" font-size="12" '
        f'fill="#43514c">{"".join(lines)}</svg>'
    )


def _place(stage: StageSummary) -> str:
    return "shadow" if stage.percent == 0 else f"{stage.percent:g} %"
