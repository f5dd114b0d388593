"""How two counts turn into a verdict: anytime-valid evidence about one rate.

`good` of `total` since the stage began, against a threshold p. The evidence is a one-sided beta-binomial mixture,
prior Beta(10 p, 10 (1 - p)) cut at p:

    log E(p)       = lnB(a+s, b+n-s) - lnB(a, b) - s ln p - (n-s) ln(1-p)
    log E_above(p) = log E(p) + ln(1 - I_p(a+s, b+n-s)) - ln(1 - I_p(a, b))
    log E_below(p) = log E(p) + ln I_p(a+s, b+n-s)      - ln I_p(a, b)

Each E is a non-negative supermartingale that starts at 1 while every conditional success probability lies on the
null's side, so it reaches 1/alpha with a chance of at most alpha, for any schedule of looks (Ville).
Sources: Robbins, Annals of Mathematical Statistics 41(5), 1970; Howard, Ramdas, McAuliffe, Sekhon, Annals of
Statistics 49(2), 2021; Lindon and Malek, NeurIPS 2022. Counts may be fractions (shared out over processes).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import exp, expm1, inf, lgamma, log, log1p
from typing import Final

CONCENTRATION: Final = 10.0
"""Weight of the prior, in requests; a constant of the method."""
_HALVINGS: Final = 60
_MOST_NEEDED: Final = 10**9


class Verdict(StrEnum):
    """What the evidence says of one gate."""

    PASS = "Pass"  # noqa: S105 - a verdict, no password
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"


@dataclass(frozen=True, slots=True)
class Counts:
    """`good` of `total`, both cumulative since the stage began. Raises ValueError unless 0 <= good <= total."""

    good: float
    total: float

    def __post_init__(self) -> None:
        if not 0 <= self.good <= self.total < inf:
            raise ValueError(f"{self.good:g} good of {self.total:g} is not a count")

    @property
    def estimate(self) -> float | None:
        """Answer the observed rate, None while nothing was counted."""
        return self.good / self.total if self.total else None


def log_evidence_above(counts: Counts, p: float) -> float:
    """Answer the natural log of the evidence that the rate is above `p`, 0 < p < 1."""
    a, b = CONCENTRATION * p, CONCENTRATION * (1 - p)
    s, f = counts.good, counts.total - counts.good
    return _log_mixture(counts, p, a, b) + _log_beta_cdf(a + s, b + f, p)[1] - _log_beta_cdf(a, b, p)[1]


def log_evidence_below(counts: Counts, p: float) -> float:
    """Answer the natural log of the evidence that the rate is below `p`, 0 < p < 1."""
    a, b = CONCENTRATION * p, CONCENTRATION * (1 - p)
    s, f = counts.good, counts.total - counts.good
    return _log_mixture(counts, p, a, b) + _log_beta_cdf(a + s, b + f, p)[0] - _log_beta_cdf(a, b, p)[0]


def judge_at_least(counts: Counts, p: float, *, alpha_pass: float, alpha_fail: float) -> Verdict:
    """Judge "the rate is at least p". Fail is looked at first. A bound of 0 or less, or 1 or more, is met by itself."""
    if not 0 < p < 1:
        return Verdict.PASS
    if log_evidence_below(counts, p) >= -log(alpha_fail):
        return Verdict.FAIL
    if log_evidence_above(counts, p) >= -log(alpha_pass):
        return Verdict.PASS
    return Verdict.INCONCLUSIVE


def confidence_sequence(counts: Counts, alpha: float) -> tuple[float, float]:
    """Answer the two-sided (1 - alpha) confidence sequence for the rate, prior Beta(1, 1), for display.

    All p with log E(p) < ln(1/alpha): an interval around good/total, found by bisection.
    """
    if not counts.total:
        return 0.0, 1.0
    estimate, limit = counts.good / counts.total, -log(alpha)

    def is_outside(p: float) -> bool:
        return _log_mixture(counts, p, 1.0, 1.0) >= limit

    low = 0.0 if counts.good == 0 else _boundary(is_outside, outside=0.0, inside=estimate)
    high = 1.0 if counts.good == counts.total else _boundary(is_outside, outside=1.0, inside=estimate)
    return low, high


def needed(counts: Counts, p: float, *, alpha_pass: float, alpha_fail: float) -> int | None:
    """Answer how many more requests, at the present estimate, until a verdict; 0 if there is one already.

    None while nothing was counted, or where the estimate lies so near `p` that a thousand million would not do.
    """
    estimate = counts.estimate
    if estimate is None:
        return None

    def is_decided(more: int) -> bool:
        future = Counts(counts.good + estimate * more, counts.total + more)
        return judge_at_least(future, p, alpha_pass=alpha_pass, alpha_fail=alpha_fail) is not Verdict.INCONCLUSIVE

    if is_decided(0):
        return 0
    high = 1
    while not is_decided(high):
        high *= 2
        if high > _MOST_NEEDED:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_decided(middle) else (middle, high)
    return high


def _boundary(is_outside: Callable[[float], bool], *, outside: float, inside: float) -> float:
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if is_outside(middle) else (outside, middle)
    return inside


def _log_mixture(counts: Counts, p: float, a: float, b: float) -> float:
    s, f = counts.good, counts.total - counts.good
    # A fraction of a count may be excluded only nearer to 0 or 1 than a float can be.
    if (s and p == 0) or (f and p == 1):
        return inf
    likelihood = (s * log(p) if s else 0.0) + (f * log1p(-p) if f else 0.0)
    return _log_beta(a + s, b + f) - _log_beta(a, b) - likelihood


def _log_beta(x: float, y: float) -> float:
    return lgamma(x) + lgamma(y) - lgamma(x + y)


def _log_beta_cdf(a: float, b: float, x: float) -> tuple[float, float]:
    """Answer ln I_x(a, b) and ln(1 - I_x(a, b)): the smaller tail from its continued fraction, the other from it."""
    front = a * log(x) + b * log1p(-x) - _log_beta(a, b)
    if x < (a + 1) / (a + b + 2):
        lower = min(front + log(_continued_fraction(a, b, x)) - log(a), 0.0)
        return lower, _log_one_minus_exp(lower)
    upper = min(front + log(_continued_fraction(b, a, 1 - x)) - log(b), 0.0)
    return _log_one_minus_exp(upper), upper


def _log_one_minus_exp(x: float) -> float:
    """Answer ln(1 - e^x) for x <= 0 (Maechler 2012: log1mexp)."""
    if x == 0:
        return -inf
    return log(-expm1(x)) if x > -log(2) else log1p(-exp(x))


def _continued_fraction(a: float, b: float, x: float) -> float:
    """Answer the continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method."""
    tiny, precision = 1e-300, 1e-15
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    value = d
    for m in range(1, 10_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + numerator * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + numerator / c
            c = c if abs(c) > tiny else tiny
            value *= c * d
        if abs(c * d - 1.0) < precision:
            return value
    return value
