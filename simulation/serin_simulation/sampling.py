"""Exact draws from distributions of counts.

A distribution is a table of cumulative probabilities in which one uniform number is looked up (inversion), so a draw is
exact to the 2^-53 that the number itself resolves. Tables are cached, since a rollout uses few distributions again and
again. A binomial of more than a million is first halved by the order statistics of its uniforms (Devroye, Non-Uniform
Random Variate Generation, 1986, X.4.3), until a table is small. No normal approximation is used.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from math import exp, lgamma
from random import Random
from typing import Final

_MOST_IN_A_TABLE: Final = 1_000_000
_NEGLIGIBLE: Final = 1e-20
"""Relative to the most likely value: what is cut off is far below what a uniform number resolves."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Distribution of whole numbers: `cumulative[i]` is the probability of at most `least + i`."""

    least: int
    cumulative: tuple[float, ...]

    def draw(self, rng: Random) -> int:
        """Draw once."""
        return self.least + bisect_right(self.cumulative, rng.random())


def binomial(n: int, p: float, rng: Random) -> int:
    """Draw how many of `n` succeed, each with probability `p`."""
    successes = 0
    while n > _MOST_IN_A_TABLE and 0 < p < 1:
        middle = n // 2 + 1
        at = rng.betavariate(middle, n + 1 - middle)
        if at <= p:
            successes, n, p = successes + middle, n - middle, (p - at) / (1 - at)
        else:
            n, p = middle - 1, p / at
    if n <= 0 or p <= 0:
        return successes
    if p >= 1:
        return successes + n
    return successes + binomial_distribution(n, p).draw(rng)


@lru_cache(maxsize=2048)
def binomial_distribution(n: int, p: float) -> Distribution:
    """Return the distribution of the successes of `n`, 0 < p < 1."""
    odds, mode = p / (1 - p), int((n + 1) * p)

    def step(k: int) -> float:
        return (n - k + 1) / k * odds

    below, above, term, k = [], [], 1.0, mode
    while k > 0 and term > _NEGLIGIBLE:
        term /= step(k)
        k -= 1
        below.append(term)
    term, k = 1.0, mode
    while k < n and term > _NEGLIGIBLE:
        k += 1
        term *= step(k)
        above.append(term)
    return _distribution(mode - len(below), [*reversed(below), 1.0, *above])


@lru_cache(maxsize=256)
def visits_distribution(visits: int, requests: int, p: float, correlation: float) -> Distribution:
    """Return the distribution of the successes of `visits` visitors who make `requests` requests each.

    Each visitor has their own probability of success, Beta with mean `p` and such that two outcomes of the same visitor
    have this correlation (ICC): Beta(p k, (1 - p) k), k = 1 / correlation - 1.
    """
    if visits == 1:
        a = p * (1 / correlation - 1)
        b = (1 - p) * (1 / correlation - 1)
        return _distribution(0, [_beta_binomial(k, requests, a, b) for k in range(requests + 1)])
    half = visits // 2
    one, other = (_chances(visits_distribution(many, requests, p, correlation)) for many in (half, visits - half))
    chances = [0.0] * (len(one) + len(other) - 1)
    for i, chance in enumerate(one):
        for j, more in enumerate(other):
            chances[i + j] += chance * more
    return _distribution(0, chances)


def visited(visits: int, requests: int, p: float, correlation: float, rng: Random) -> int:
    """Draw the successes of `visits` visitors, at most 64 of them at a time from one table."""
    if correlation <= 0 or requests == 1 or not 0 < p < 1:
        return binomial(visits * requests, p, rng)
    successes, left = 0, visits
    while left > 0:
        # Powers of two, so that few tables are enough for every number of visitors.
        many = min(64, 1 << (left.bit_length() - 1))
        successes += visits_distribution(many, requests, p, correlation).draw(rng)
        left -= many
    return successes


def _beta_binomial(k: int, n: int, a: float, b: float) -> float:
    choose = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
    return exp(choose + _log_beta(k + a, n - k + b) - _log_beta(a, b))


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _distribution(least: int, weights: Sequence[float]) -> Distribution:
    whole = sum(weights)
    cumulative = list(accumulate(weight / whole for weight in weights))
    # The last value covers what rounding has lost: no uniform number is above it.
    cumulative[-1] = 2.0
    return Distribution(least, tuple(cumulative))


def _chances(one: Distribution) -> list[float]:
    ends = [*one.cumulative[:-1], 1.0]
    return [0.0] * one.least + [ends[0], *(now - before for before, now in pairwise(ends))]
