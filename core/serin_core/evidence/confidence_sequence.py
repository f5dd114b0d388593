"""The interval to show beside a rate: the two-sided confidence sequence with a Beta(1, 1) prior.

All p with log E(p) = lnB(1+s, 1+f) - s ln p - f ln(1-p) < ln(1/alpha): with a chance of at least 1 - alpha it holds the
rate at every look at once. Never decides: verdicts come from the one-sided evidence, which needs fewer requests.
"""

from math import exp, log, log1p, sqrt
from typing import Final

from serin_core.evidence.beta import deviance, log_front
from serin_core.evidence.counts import Counts

_FARTHEST: Final = 600.0
"""Log odds beyond which an end is 0 or 1: 10^-260."""
_MOST_STEPS: Final = 100


def confidence_sequence(counts: Counts, alpha: float) -> tuple[float, float]:
    """Answer both ends, 0 < alpha < 1. Near 0 the lower end, and near 1 its distance, are exact to 1e-9 relative."""
    s, f = counts.good, counts.total - counts.good
    if not counts.total:
        return 0.0, 1.0
    low = 0.0 if s == 0 else _end(s, f, -log(alpha), sign=-1)[0]
    high = 1.0 if f == 0 else _end(s, f, -log(alpha), sign=1)[0]
    return min(low, s / counts.total), max(high, s / counts.total)


def _end(s: float, f: float, limit: float, *, sign: int) -> tuple[float, float]:
    """Answer the end on one side of s / (s + f), and 1 minus it.

    Newton's method in log odds: there log E is convex, with slope n p - s, so that from outside every step falls
    short of the end, and from inside the first one leaps past it.
    """
    n = s + f
    spread = (s + 1) * (f + 1) / (n + 2)
    odds = log((s + 1) / (f + 1)) + sign * sqrt(2 * (limit + log1p(n)) / spread)
    for _ in range(_MOST_STEPS):
        odds = max(-_FARTHEST, min(odds, _FARTHEST))
        p, q = _logistic(odds), _logistic(-odds)
        above = _log_evidence(s, f, p, q) - limit
        if above < 0 and abs(odds) == _FARTHEST:
            return (0.0, 1.0) if sign < 0 else (1.0, 0.0)
        slope = n * p - s if p <= q else f - n * q
        step = above / slope if slope * sign > 0 else -sign * 1.0
        odds -= step
        if abs(step) <= 1e-13 * max(abs(odds), 1.0):
            break
    return _logistic(odds), _logistic(-odds)


def _log_evidence(s: float, f: float, p: float, q: float) -> float:
    d = s + 1 - (s + f + 2) * p if p <= q else (s + f + 2) * q - f - 1
    return log(p) + log(q) - log_front(s + 1, f + 1, deviance(s + 1, f + 1, d, p=p, q=q))


def _logistic(odds: float) -> float:
    return 1 / (1 + exp(-odds)) if odds >= 0 else exp(odds) / (1 + exp(odds))
