"""How many requests a verdict takes: still needed, minimum possible, and enough for certain."""

from bisect import bisect_left
from collections.abc import Callable
from math import ceil, inf, isfinite, log, log1p
from typing import Final

from serin_core.evidence.bounds import Alphas, Bound, Within
from serin_core.evidence.counts import Counts, Verdict
from serin_core.evidence.rate import Claim, Side, log_evidence
from serin_core.evidence.verdict import failing, judge, passing

MOST: Final = 10**12
"""Counts beyond this are not considered."""
_MAX_NEEDED: Final = 10**9
_HALVINGS: Final = 200


def needed(counts: Counts, bound: Bound, alphas: Alphas) -> int | None:
    """Return how many more requests a verdict takes at the present estimate; 0 if there is one already.

    None if nothing was counted, or if the estimate is so close to the bound that 10^9 would not be enough.
    """
    if judge(counts, bound, alphas) is not Verdict.INCONCLUSIVE:
        return 0
    if counts.estimate is None:
        return None
    ways = [(claim,) for claim in failing(bound, alphas)] + [passing(bound, alphas)]
    found = [more for claims in ways if (more := _until(counts, counts.estimate, claims)) is not None]
    return min(found, default=None)


def least(bound: Bound, alphas: Alphas) -> tuple[int | None, int | None]:
    """Return the fewest requests with which a gate can Pass, and Fail; None where no number of them can.

    All are good, or all are bad, or they are the best mix for `Within`.
    """
    if bound.is_met_by_itself:
        return 0, None
    passes, fails = passing(bound, alphas), failing(bound, alphas)
    to_fail = _first(lambda n: any(_holds(_extreme(n, claim.side), claim) for claim in fails))
    return _first(lambda n: _can_hold_together(n, passes)), to_fail


def certain_by(bound: Bound, alphas: Alphas) -> int | None:
    """Return the fewest requests from which on every possible count has a verdict; None without a margin.

    Fractions of a count are possible too, and checks may skip any number: so this is a little more than the first
    number at which every whole count has a verdict (3,711 and 3,668 for at least 0.70 with margin 0.05).
    """
    if bound.is_met_by_itself:
        return 0
    if isinstance(bound, Within) or not bound.margin:
        return None
    (fail,), (succeed,) = failing(bound, alphas), passing(bound, alphas)
    return _first(lambda n: _leaves_no_gap(n, fail, succeed))


def _holds(counts: Counts, claim: Claim) -> bool:
    return claim.limit < inf and log_evidence(counts, claim.p, claim.side) >= claim.limit


def _extreme(n: float, side: Side) -> Counts:
    """Return the counts that are the strongest evidence for this side."""
    return Counts(n if side is Side.ABOVE else 0, n)


def _can_hold_together(n: int, claims: tuple[Claim, ...]) -> bool:
    """Return whether some whole number of good of `n` makes every claim hold."""
    if len(claims) == 1:
        return _holds(_extreme(n, claims[0].side), claims[0])
    above, below = claims
    # The evidence for `above` grows with every good one.
    fewest = bisect_left(range(n + 1), x=True, key=lambda good: _holds(Counts(good, n), above))
    return fewest <= n and _holds(Counts(fewest, n), below)


def _leaves_no_gap(n: int, fail: Claim, succeed: Claim) -> bool:
    """Return whether, between 0 and `n` good (fractions too), Pass begins no later than Fail ends."""
    towards = succeed.side
    if not _holds(_extreme(n, towards), succeed):
        return False
    far, near = 0.0, float(n)  # far from passing, and near
    for _ in range(_HALVINGS):
        middle = (far + near) / 2
        if middle in (far, near):
            break
        counts = Counts(middle if towards is Side.ABOVE else n - middle, n)
        far, near = (far, middle) if _holds(counts, succeed) else (middle, near)
    return _holds(Counts(far if towards is Side.ABOVE else n - far, n), fail)


def _first(is_enough: Callable[[int], bool]) -> int | None:
    """Return the smallest n >= 0 that is enough, if every greater n is enough too."""
    high = 1
    while not is_enough(high):
        high *= 2
        if high > MOST:
            return None
    return bisect_left(range(high), x=True, key=is_enough)


def _until(counts: Counts, estimate: float, claims: tuple[Claim, ...]) -> int | None:
    """Return how many more requests at this rate until all claims hold."""
    speed = min(_speed(estimate, claim.p, claim.side) for claim in claims)
    limit = max(claim.limit for claim in claims)
    if speed <= 0 or not isfinite(limit):
        return None

    def beyond(more: int) -> float:
        total = counts.total + more
        future = Counts(min(counts.good + estimate * more, total), total)
        return min(log_evidence(future, claim.p, claim.side) - claim.limit for claim in claims)

    total = limit / min(speed, 1e9)
    for _ in range(3):  # the mixture costs half a logarithm of what was counted
        total = (limit + 0.5 * log1p(total / 10)) / min(speed, 1e9)
    return _first_beyond(beyond, guess=total - counts.total, speed=speed)


def _speed(rate: float, p: float, side: Side) -> float:
    """Return how fast the log evidence grows per request: KL(rate || p), 0 on the wrong side."""
    if not 0 < p < 1:
        return inf if (p <= 0) == (side is Side.ABOVE) else 0.0
    if rate >= p if side is Side.BELOW else rate <= p:
        return 0.0
    return (rate * log(rate / p) if rate else 0.0) + ((1 - rate) * log((1 - rate) / (1 - p)) if rate < 1 else 0.0)


def _first_beyond(beyond: Callable[[int], float], *, guess: float, speed: float) -> int | None:
    """Return the smallest whole n >= 1 with `beyond` >= 0, growing by about `speed` a request; None if too many."""
    low, high, below, above = 0, inf, -inf, inf
    more = max(1, ceil(min(guess, MOST)))
    while True:
        if more > _MAX_NEEDED and low >= _MAX_NEEDED:
            return None
        value = beyond(more)
        if value >= 0:
            high, above = more, value
        else:
            low, below = more, value
        if high - low == 1:
            return int(high) if high <= _MAX_NEEDED else None
        if high == inf:
            more = low + ceil(1.1 * -below / speed) + 1
        elif below == -inf:
            more = max(1, int(high) - ceil(1.1 * above / speed) - 1)
        else:
            width = int(high) - low
            # Straight through both, but never nearer than an eighth of the gap to the end it has come from.
            at = low + ceil(width * -below / (above - below))
            more = max(low + 1, min(at if value < 0 or width < 8 else at - 1, int(high) - 1))  # noqa: PLR2004 - an eighth
