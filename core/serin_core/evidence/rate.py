"""Anytime-valid evidence about one rate: `good` of `total` against a threshold p.

A one-sided beta-binomial mixture of likelihood ratios, prior Beta(a, b) = Beta(10 p, 10 (1 - p)) cut at p. With s good
and f bad:

    E_below(p) = integral over t < p of (t/p)^s ((1-t)/(1-p))^f under the prior cut at p
               = mills(a + s, b + f, p) / mills(a, b, p)       (beta.py; E_above alike, from the upper tail)

which is the same as log E(p) + ln I_p(a+s, b+f) - ln I_p(a, b) with
log E(p) = lnB(a+s, b+f) - lnB(a, b) - s ln p - f ln(1-p), but subtracts no big numbers. Each E is a non-negative
supermartingale that starts at 1 while every conditional success probability lies on the null's side, so it reaches
1/alpha with a chance of at most alpha, for any schedule of checks (Ville).
Sources: Robbins, Annals of Mathematical Statistics 41(5), 1970; Howard, Ramdas, McAuliffe, Sekhon, Annals of
Statistics 49(2), 2021; Lindon and Malek, NeurIPS 2022.

Error: d = s - n p is rounded once, by at most n min(p, q) 1.1e-16. Near a verdict (log E = 20) that moves log E by at
most 2e-9 at n = 10^12 and 2e-12 at 10^6; the rest is beta.py's. Far from a verdict the error is relative, 1e-15.
"""

from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from math import inf
from typing import Final

from serin_core.evidence.beta import deviance, log_front, log_mills
from serin_core.evidence.counts import Counts

CONCENTRATION: Final = 10.0
"""Weight of the prior, in requests; a constant of the method."""


class Side(Enum):
    """Side of a threshold on which a claim puts the rate."""

    BELOW = auto()
    ABOVE = auto()


@dataclass(frozen=True, slots=True)
class Claim:
    """That a rate lies on a side of `p`, and the log evidence that proves it."""

    p: float
    side: Side
    limit: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """A rate between 0 and 1 and the prior that is centred at it."""

    p: float
    q: float
    a: float
    b: float
    below: float
    """ln mills of the prior's lower tail."""
    above: float
    """ln mills of its upper tail."""

    def distance(self, counts: Counts) -> float:
        """Return s - n p, positive where more was good than expected at p; from whichever of p and q is exact."""
        if self.p <= 0.5:  # noqa: PLR2004 - the middle
            return counts.good - counts.total * self.p
        return counts.total * self.q - (counts.total - counts.good)


@lru_cache(maxsize=1024)
def threshold(p: float) -> Threshold:
    """Return `p` with its prior, 0 < p < 1."""
    q = 1 - p
    a, b = CONCENTRATION * p, CONCENTRATION * q
    return Threshold(p=p, q=q, a=a, b=b, below=log_mills(a, b, 0.0, p=p, q=q), above=log_mills(b, a, 0.0, p=q, q=p))


def log_evidence(counts: Counts, p: float, side: Side) -> float:
    """Return the natural log of the evidence that the rate lies on this side of `p`.

    A `p` of 0 or less, or 1 or more, has one side that is met by itself (inf) and one that never is (-inf).
    """
    if p <= 0 or p >= 1:
        return inf if (p <= 0) == (side is Side.ABOVE) else -inf
    at, s, f = threshold(p), counts.good, counts.total - counts.good
    if side is Side.BELOW:
        return log_mills(at.a + s, at.b + f, at.distance(counts), p=at.p, q=at.q) - at.below
    return log_mills(at.b + f, at.a + s, -at.distance(counts), p=at.q, q=at.p) - at.above


def reaches(counts: Counts, claim: Claim) -> bool:
    """Return whether the evidence is at least the limit >= 0, without a tail where the counts are on the other side.

    There every likelihood ratio under the integral is at most 1: it is concave in t in logarithms, 0 at p, and its
    maximum s/n lies on the other side of p. So log E <= 0.
    """
    p, side, limit = claim.p, claim.side, claim.limit
    if limit == inf:
        return False
    if 0 < p < 1 and limit > 0:
        distance = threshold(p).distance(counts)
        if distance >= 0 if side is Side.BELOW else distance <= 0:
            return False
    return log_evidence(counts, p, side) >= limit


def most_log_evidence(counts: Counts, p: float, side: Side) -> float:
    """Return an upper bound of `log_evidence` without a tail: log E(p) - ln of the prior's tail, 0 < p < 1."""
    at = threshold(p)
    x, y = at.a + counts.good, at.b + (counts.total - counts.good)
    front = log_front(x, y, deviance(x, y, at.distance(counts), p=at.p, q=at.q))
    return -front - (at.below if side is Side.BELOW else at.above)
