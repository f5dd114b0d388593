"""Whether two samples of counts differ, and by how much: `serin drift` and the condition Drifted use the same.

Each comparison has a test (is the difference significant?) and an effect size (does it matter?). It is a drift only if
both say so: with a hundred thousand rows everything is significant, with a hundred every month looks unusual.

Distributions: chi-squared test of two samples; the effect size is the population stability index (PSI) minus its
expectation under no change, about (bins - 1)(1/n + 1/m). Shares: two-proportion z-test; the effect size is Cohen's h
(1988).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, erfc, exp, inf, lgamma, log, sqrt
from typing import Final

from serin_core.evidence.stability_index import MAJOR as MAX_PSI
from serin_core.evidence.stability_index import expected_index, stability_index

ALPHA: Final = 0.001
"""Maximum probability, over all comparisons of two samples, that one is significant although nothing has changed."""
MAX_H: Final = 0.25
"""Of Cohen's h: 0.2 is small, 0.5 medium, 0.8 large."""
ALARM_PSI: Final = 0.5
"""Above it, the condition Drifted is True: twice the limit of `serin drift`, which a user runs on purpose."""
ALARM_H: Final = 0.8
"""The same for shares."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The result of one comparison."""

    p_value: float
    """Probability of such a difference, or a greater one, if nothing has changed."""
    statistic_name: str
    statistic: float
    """The effect size."""
    limit: float
    """The maximum effect size that does not matter."""
    alarm: float = inf
    """The maximum effect size for which the condition Drifted is False; infinite if it does not compare this."""
    bin: int = 0
    """The bin whose share differs most."""
    shares: tuple[float, float] = (0.0, 0.0)
    """Its share of the reference, and of the current sample."""

    def is_drift(self, *, comparisons: int) -> bool:
        """Return whether it is significant as one of this many comparisons (Bonferroni), and matters."""
        return self.p_value < ALPHA / comparisons and self.statistic > self.limit

    def is_alarming(self, *, comparisons: int) -> bool:
        """Return whether it is a drift, and large enough for the condition Drifted."""
        return self.is_drift(comparisons=comparisons) and self.statistic > self.alarm


def compare_distributions(reference: Sequence[float], current: Sequence[float]) -> Difference:
    """Compare the counts of two samples by the same bins. Both samples must have rows; bins may be empty."""
    used = [at for at, pair in enumerate(zip(reference, current, strict=True)) if sum(pair)]
    one, other = [reference[at] for at in used], [current[at] for at in used]
    n, m = sum(one), sum(other)
    # Half a row in each bin: an empty one would make the index infinite.
    p, q = ([(count + 0.5) / (rows + 0.5 * len(used)) for count in side] for side, rows in ((one, n), (other, m)))
    widest = max(range(len(used)), key=lambda at: abs(p[at] - q[at]))
    return Difference(
        p_value=_chi_squared_p_value(one, other),
        statistic_name="PSI",
        statistic=max(0.0, stability_index(p, q) - expected_index(len(used), n, m)),
        limit=MAX_PSI,
        alarm=ALARM_PSI,
        bin=used[widest],
        shares=(p[widest], q[widest]),
    )


def compare_shares(reference: tuple[float, float], current: tuple[float, float]) -> Difference:
    """Compare two shares, each given as a count and the number of rows that it is of."""
    one, other = reference[0] / reference[1], current[0] / current[1]
    pooled = (reference[0] + current[0]) / (reference[1] + current[1])
    error = sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / reference[1] + 1 / current[1]))
    return Difference(
        p_value=erfc(abs(other - one) / error / sqrt(2)),
        statistic_name="Cohen's h",
        statistic=abs(2 * asin(sqrt(other)) - 2 * asin(sqrt(one))),
        limit=MAX_H,
        alarm=ALARM_H,
        shares=(one, other),
    )


def chi_squared_tail(value: float, degrees: int) -> float:
    """Return the probability that a chi-squared variable exceeds a value.

    A finite sum, since the degrees of freedom are whole (Abramowitz and Stegun, 26.4.4 and 26.4.5).
    """
    if value <= 0 or degrees == 0:
        return 1.0
    half, is_odd = value / 2, degrees % 2
    orders = (at + 0.5 * is_odd for at in range(degrees // 2))
    terms = (exp(order * log(half) - half - lgamma(order + 1)) for order in orders)
    return min(1.0, sum(terms) + (erfc(sqrt(half)) if is_odd else 0.0))


def _chi_squared_p_value(one: Sequence[float], other: Sequence[float]) -> float:
    n, m = sum(one), sum(other)
    value = 0.0
    for pair in zip(one, other, strict=True):
        for count, rows in zip(pair, (n, m), strict=True):
            expected = sum(pair) * rows / (n + m)
            value += (count - expected) ** 2 / expected
    return chi_squared_tail(value, len(one) - 1)
