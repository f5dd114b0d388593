"""The plots and the printed figures of docs/gates.md.

    python benchmarks/gates_plots.py [--into docs/gates] [--needed]

Writes the SVG files and prints the worked example; with --needed it prints the table of requests needed instead, which
takes minutes: 500 rollouts a cell, a check every five requests.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from math import exp, log, log10
from pathlib import Path
from random import Random

from serin_core.evidence import change_point
from serin_core.evidence.bounds import Alphas, AtLeast, AtMost
from serin_core.evidence.change_point import FIRST_CHECK
from serin_core.evidence.confidence_sequence import confidence_sequence
from serin_core.evidence.counts import Counts, Verdict
from serin_core.evidence.rate import Side, log_evidence
from serin_core.evidence.sample_size import certain_by, least, needed
from serin_core.evidence.verdict import judge
from serin_core.gates.rate import RateState
from serin_simulation.sampling import binomial

GREEN, RED, BLUE, GREY = "#0b6e4f", "#c1440e", "#3d5a98", "#5c6b66"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 330, 58, 18, 16, 46
P, ALPHA, GATES, STAGES = 0.70, 0.05, 7, 4
ALPHAS = Alphas(promote=ALPHA, rollback=ALPHA / (GATES * STAGES))


class Plot:
    """One plot: scales, a grid, lines."""

    def __init__(self, *, x, y, marks, rows, captions):
        """`captions`: of the plot, and of its horizontal axis."""
        self.x_from, self.x_to = x
        self.y_from, self.y_to = y
        shows, across = captions
        head = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" role="img" aria-label="{shows}"'
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {head}>',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        ]
        for at, name in rows:
            y_at = self.y(at)
            self.parts.append(
                f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_at:.1f}" y2="{y_at:.1f}" stroke="#e3e9e6"/>'
                f'<text x="{LEFT - 8}" y="{y_at + 4:.1f}" text-anchor="end" fill="#43514c">{name}</text>'
            )
        for at, name in marks:
            self.text(self.x(at), HEIGHT - 26, name, GREY, "middle")
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, across, GREY, "middle")

    def x(self, value):
        """Return the horizontal position of a value."""
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - self.x_from) / (self.x_to - self.x_from)

    def y(self, value):
        """Return the vertical position of a value."""
        return TOP + (HEIGHT - TOP - BOTTOM) * (self.y_to - value) / (self.y_to - self.y_from)

    def line(self, points, colour, *, dashes="", fill="none", opacity=1.0):
        """Draw a line, or fill what it encloses."""
        path = " ".join(f"{self.x(a):.1f},{self.y(b):.1f}" for a, b in points)
        kind, stroke = ("polyline", f'stroke="{colour}"') if fill == "none" else ("polygon", 'stroke="none"')
        self.parts.append(
            f'<{kind} points="{path}" fill="{fill}" fill-opacity="{opacity}" {stroke} stroke-width="2.2"'
            + (f' stroke-dasharray="{dashes}"' if dashes else "")
            + "/>"
        )

    def text(self, x, y, text, colour, anchor="start"):
        """Add text."""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{text}</text>')

    def write(self, path):
        """Write the file."""
        path.write_text("".join(self.parts) + "</svg>\n", encoding="utf-8")


def bounds_of(n):
    """Return the maximum count of good that Fails, and the minimum that Passes; None where there is none."""
    fails = [s for s in range(n + 1) if judge(Counts(s, n), AtLeast(P), ALPHAS) is Verdict.FAIL]
    passes = [s for s in range(n + 1) if judge(Counts(s, n), AtLeast(P), ALPHAS) is Verdict.PASS]
    return (max(fails) if fails else None), (min(passes) if passes else None)


def verdicts(into):
    """Draw where a count of users leads to which verdict."""
    places = sorted({round(10 ** (k / 24)) for k in range(15, 85)})
    found = [(n, *bounds_of(n)) for n in places]
    passes = [(log10(n), s / n) for n, _, s in found if s is not None]
    fails = [(log10(n), s / n) for n, s, _ in found if s is not None]
    marks = [(log10(n), f"{n:,}") for n in (5, 10, 30, 100, 300, 1000, 3000)]
    rows = [(share / 10, f"{10 * share} %") for share in range(0, 11, 2)] + [(P, "70 %")]
    plot = Plot(
        x=(log10(4), log10(3300)),
        y=(0, 1),
        marks=marks,
        rows=rows,
        captions=(
            "Share that agrees at which a count passes or fails, by the number of users",
            "users counted",
        ),
    )
    plot.line([*passes, (passes[-1][0], 1), (passes[0][0], 1)], GREEN, fill=GREEN, opacity=0.16)
    plot.line([*fails, (fails[-1][0], 0), (fails[0][0], 0)], RED, fill=RED, opacity=0.16)
    plot.line(passes, GREEN)
    plot.line(fails, RED)
    plot.text(plot.x(2.3), plot.y(0.93), "Pass", GREEN)
    plot.text(plot.x(2.3), plot.y(0.25), "Fail", RED)
    plot.text(plot.x(0.75), plot.y(0.66), "no verdict yet", GREY)
    plot.write(into / "verdicts.svg")


def late(into):
    """Draw the evidence of harm that begins after forty good checks, with and without late harm."""
    starts, kept, whole, mixed = {1: (1, 0.0, 0.0)}, FIRST_CHECK, [], []
    good = total = 0.0
    for check in range(1, 101):
        good, total = good + 50 * (0.85 if check <= 40 else 0.55), total + 50
        counts = Counts(good, total)
        whole.append((check, max(log_evidence(counts, P, Side.BELOW), -8.0)))
        mixed.append(
            (check, max(change_point.log_evidence([starts[one] for one in kept.checks], counts, P, Side.BELOW), -8.0))
        )
        starts[check + 1], kept = (check + 1, good, total), kept.with_newest(check + 1)
    limit = log(1 / ALPHAS.rollback)
    plot = Plot(
        x=(30, 100),
        y=(-8, 16),
        marks=[(at, str(at)) for at in range(30, 101, 10)],
        rows=[(at, str(at)) for at in range(-8, 17, 4)],
        captions=(
            "Log evidence of Fail, by check: all counts together, and late harm",
            "check, of 50 requests; from check 41 on 55 % agree instead of 85 %",
        ),
    )
    plot.line([(30, limit), (100, limit)], RED, dashes="5 4")
    plot.text(plot.x(31), plot.y(limit) - 6, f"Fail: ln(1/alpha) = {limit:.2f}", RED)
    plot.line([point for point in whole if point[0] >= 30], GREY)
    plot.line([point for point in mixed if point[0] >= 30 and point[1] <= 16], BLUE)
    plot.text(plot.x(52), plot.y(13), "late harm", BLUE)
    plot.text(plot.x(80), plot.y(-5.5), "all counts together", GREY)
    plot.write(into / "late-harm.svg")
    first = {name: next((c for c, e in line if e >= limit), None) for name, line in (("all", whole), ("late", mixed))}
    print(f"late harm: Fail at check {first['late']}; all counts together: at check {first['all']}")


def confidence(into):
    """Draw one rollout's share and its confidence sequence, and print the worked example."""
    rng, good, points = Random(4), 0, []  # noqa: S311 - draws, no secrets
    for n in range(5, 1001, 5):
        good += binomial(5, 0.78, rng)
        points.append((n, good))
    lows, highs, middles = [], [], []
    for n, s in points:
        low, high = confidence_sequence(Counts(s, n), ALPHA)
        lows.append((log10(n), low))
        highs.append((log10(n), high))
        middles.append((log10(n), s / n))
    plot = Plot(
        x=(log10(5), 3),
        y=(0, 1),
        marks=[(log10(n), f"{n:,}") for n in (5, 10, 30, 100, 300, 1000)],
        rows=[(share / 10, f"{10 * share} %") for share in range(0, 11, 2)],
        captions=(
            "The share that agrees and its confidence sequence, by the number of users",
            "users counted; the true share is 78 %",
        ),
    )
    plot.line([*lows, *reversed(highs)], BLUE, fill=BLUE, opacity=0.16)
    plot.line(middles, BLUE)
    plot.line([(log10(5), P), (3, P)], RED, dashes="5 4")
    plot.text(plot.x(0.75), plot.y(P) - 6, "the gate requires 70 %", RED)
    passed = next(n for n, s in points if judge(Counts(s, n), AtLeast(P), ALPHAS) is Verdict.PASS)
    plot.line([(log10(passed), 0), (log10(passed), 1)], GREEN, dashes="2 4")
    plot.text(plot.x(log10(passed)) + 6, plot.y(0.06), f"Pass, at {passed} users", GREEN)
    plot.write(into / "confidence.svg")
    print("| users | agree | share | evidence above | evidence below | 95 % interval | verdict | more needed |")
    print("|---|---|---|---|---|---|---|---|")
    for n, s in points:
        if n in (10, 50, 100, passed - 5, passed) or n == 1000:
            counts = Counts(s, n)
            low, high = confidence_sequence(counts, ALPHA)
            print(
                f"| {n} | {s} | {100 * s / n:.1f} % | {exp(log_evidence(counts, P, Side.ABOVE)):.3g} | "
                f"{exp(log_evidence(counts, P, Side.BELOW)):.3g} | {100 * low:.1f} and {100 * high:.1f} % | "
                f"{judge(counts, AtLeast(P), ALPHAS)} | {needed(counts, AtLeast(P), ALPHAS)} |"
            )
    print(f"Pass at evidence above {1 / ALPHAS.promote:.0f}, Fail at evidence below {1 / ALPHAS.rollback:.0f}")


NEEDED = (
    (AtLeast(0.70), "agreement at least 0.70", (0.85, 0.80, 0.75), (0.60, 0.65)),
    (AtLeast(0.70, 0.05), "the same, margin 0.05", (0.85, 0.75, 0.70), (0.60, 0.65)),
    (AtLeast(0.90), "availability at least 0.90", (0.99, 0.95), (0.80, 0.85)),
    (AtLeast(0.95), "acceptedRatio at least 0.95", (0.99, 0.98), (0.90, 0.93)),
    (AtLeast(0.99), "errors, latency at least 0.99", (0.999, 0.998, 0.995), (0.95, 0.97, 0.98)),
    (AtMost(0.15), "lowConfidence at most 0.15", (0.05, 0.10), (0.25, 0.20)),
)
MOST = 20_000


def until(bound, truth, number):
    """Return the number of requests until one rollout has a verdict."""
    state, rng = RateState(bound, ALPHAS), Random(f"{bound}/{truth}/{number}")  # noqa: S311
    good = 0
    for n in range(5, MOST, 5):
        good += binomial(5, truth, rng)
        if state.verdict(good, n) is not Verdict.INCONCLUSIVE:
            return n
        state.record(good, n)
    return MOST


def how_many(job):
    """Return median and ninth decile."""
    bound, truth = job
    took = sorted(until(bound, truth, number) for number in range(500))
    return tuple("more" if one >= MOST else f"{one:,}" for one in (took[250], took[450]))


def table():
    """Print the table of requests needed."""
    jobs = [(bound, truth) for bound, _, *truths in NEEDED for some in truths for truth in some]
    with ProcessPoolExecutor() as pool:
        found = dict(zip(jobs, pool.map(how_many, jobs), strict=True))
    print("| gate | fewest to Pass | fewest to Fail | certain by | Pass at a good truth | Fail at a bad truth |")
    print("|---|---|---|---|---|---|")
    for bound, name, good, bad in NEEDED:
        (to_pass, to_fail), certain = least(bound, ALPHAS), certain_by(bound, ALPHAS)
        passes, fails = (
            "; ".join(f"{truth:g}: {found[bound, truth][0]}/{found[bound, truth][1]}" for truth in some)
            for some in (good, bad)
        )
        sure = "-" if certain is None else f"{certain:,}"
        print(f"| {name} | {to_pass} | {to_fail} | {sure} | {passes} | {fails} |")


def main():
    """Draw, or count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=Path("docs/gates"), help="the folder of the SVG files")
    parser.add_argument("--needed", action="store_true", help="print the table of requests needed")
    given = parser.parse_args()
    if given.needed:
        table()
        return
    given.into.mkdir(parents=True, exist_ok=True)
    verdicts(given.into)
    late(given.into)
    confidence(given.into)


if __name__ == "__main__":
    main()
