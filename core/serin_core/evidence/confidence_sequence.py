"""Intervals to display beside a rate, valid at all checks at once.

`confidence_sequence` is two-sided with a Beta(1, 1) prior: all p with
log E(p) = lnB(1+s, 1+f) - s ln p - f ln(1-p) < ln(1/alpha). With a probability of at least 1 - alpha it contains the
rate at every check. `one_sided_bound` inverts the test that gives the verdict, which needs fewer requests.
"""

from math import exp, log, log1p, sqrt
from typing import Final

from serin_core.evidence.beta import deviance, log_front
from serin_core.evidence.counts import Counts
from serin_core.evidence.rate import Side, log_evidence

_FARTHEST: Final = 600.0
"""Log odds beyond which an end is 0 or 1: 10^-260."""
_MAX_STEPS: Final = 100
_HALVINGS: Final = 50


def confidence_sequence(counts: Counts, alpha: float) -> tuple[float, float]:
    """Return both ends, 0 < alpha < 1. Near 0 the lower end, and near 1 its distance, are exact to 1e-9 relative."""
    s, f = counts.good, counts.total - counts.good
    if not counts.total:
        return 0.0, 1.0
    low = 0.0 if s == 0 else _end(s, f, -log(alpha), sign=-1)
    high = 1.0 if f == 0 else _end(s, f, -log(alpha), sign=1)
    return min(low, s / counts.total), max(high, s / counts.total)


def one_sided_bound(counts: Counts, side: Side, alpha: float) -> float:
    """Return the bound that is proven: the greatest p that the rate is above, or the smallest that it is below.

    Returns 0, or 1 for BELOW, if nothing is proven. 0 < alpha < 1.
    """
    proven = 0.0 if side is Side.ABOVE else 1.0
    if not counts.total:
        return proven
    unproven, limit = counts.good / counts.total, -log(alpha)
    for _ in range(_HALVINGS):
        middle = (proven + unproven) / 2
        if log_evidence(counts, middle, side) >= limit:
            proven = middle
        else:
            unproven = middle
    return proven


def _end(s: float, f: float, limit: float, *, sign: int) -> float:
    """Return the end on one side of s / (s + f).

    Newton's method in log odds: there log E is convex, with slope n p - s, so that from outside every step falls
    short of the end, and from inside the first one leaps past it.
    """
    n = s + f
    spread = (s + 1) * (f + 1) / (n + 2)
    odds = log((s + 1) / (f + 1)) + sign * sqrt(2 * (limit + log1p(n)) / spread)
    for _ in range(_MAX_STEPS):
        odds = max(-_FARTHEST, min(odds, _FARTHEST))
        p, q = _logistic(odds), _logistic(-odds)
        above = _log_evidence(s, f, p, q) - limit
        if above < 0 and abs(odds) == _FARTHEST:
            return 0.0 if sign < 0 else 1.0
        slope = n * p - s if p <= q else f - n * q
        step = above / slope if slope * sign > 0 else -sign * 1.0
        odds -= step
        if abs(step) <= 1e-13 * max(abs(odds), 1.0):
            break
    return _logistic(odds)


def _log_evidence(s: float, f: float, p: float, q: float) -> float:
    d = s + 1 - (s + f + 2) * p if p <= q else (s + f + 2) * q - f - 1
    return log(p) + log(q) - log_front(s + 1, f + 1, deviance(s + 1, f + 1, d, p=p, q=q))


def _logistic(odds: float) -> float:
    return 1 / (1 + exp(-odds)) if odds >= 0 else exp(odds) / (1 + exp(odds))
