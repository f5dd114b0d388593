"""Harm that began late: evidence mixed over the check at which it may have begun.

    log E = logsumexp over starts j of (log E_side(counts since start j) - ln(j (j + 1)))

Each term is an e-process begun at check j and weighted so that the weights of all checks sum to 1; a mixture of
e-processes is one, so it reaches 1/alpha with a chance of at most alpha while the rate stays on the null's side.
A cumulative count alone needs 54 checks to notice a drop from 0.85 to 0.55 after 40 good checks of 50; this needs 5.
Relation: e-detectors (Shin, Ramdas, Rinaldo, 2024).

A start that is not kept counts as 0, so dropping starts only lowers E. Never adds a start that was not looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log
from typing import Final

from serin_core.evidence.counts import Counts
from serin_core.evidence.rate import Claim, Side, most_log_evidence, threshold
from serin_core.evidence.rate import log_evidence as log_evidence_of_rate

MOST_STARTS: Final = 48
_SLACK: Final = 1e-7
"""By how much a bound must stay below the limit to be believed: far above the rounding of any log E near it."""
_LOST: Final = 1e-9
"""How far a difference of counts may fall below 0 by rounding, relative to the counts."""


@dataclass(frozen=True, slots=True)
class Start:
    """The cumulative counts just before check number `check` >= 1 of the stage: what harm may have begun at."""

    check: int
    counts: Counts

    def __post_init__(self) -> None:
        if self.check < 1:
            raise ValueError(f"checks are numbered from 1, not {self.check}")


BEGINNING: Final = Start(1, Counts(0, 0))
"""The first start of every stage."""


def log_evidence(starts: Sequence[Start], counts: Counts, p: float, side: Side) -> float:
    """Answer the natural log of the mixture, -inf without starts. Raises ValueError for a start after `counts`."""
    terms = [
        log_evidence_of_rate(since(start, counts), p, side) - log(start.check * (start.check + 1)) for start in starts
    ]
    greatest = max(terms, default=-inf)
    return greatest if abs(greatest) == inf else greatest + log(sum(exp(term - greatest) for term in terms))


def reaches(starts: Sequence[Start], counts: Counts, claim: Claim) -> bool:
    """Tell whether `log_evidence` is at least the limit, with as few tails as the answer needs.

    Every start is first given a bound from above: 1 where what was counted since lies on the good side of p
    (rate.py, `reaches`); else exp of d^2 / (2 n min(v(s/n), v(p))), v(t) = t (1 - t), which is no less than the
    greatest likelihood ratio exp(n KL(s/n || p)), because KL is the integral of |t - s/n| / v(t) from s/n to p and
    v, being concave, is least at an end; then, only if neither these nor the likeliest start alone settle it, E(p)
    over the prior's tail; then, greatest first, the exact value. While the bounds sum to less than 1/alpha, so does
    the sum itself: the answer is No, as it would have been with every tail. Once exact values alone sum to 1/alpha
    the rest, being positive, cannot change a Yes. So skipping never changes an answer.
    """
    p, side, limit = claim.p, claim.side, claim.limit
    if limit == inf:
        return False
    if not 0 < p < 1 or limit <= 0:
        return log_evidence(starts, counts, p, side) >= limit
    bounds = _rough_bounds(starts, counts, p, side)
    shares = [_share(bound, start, limit) for bound, start in zip(bounds, starts, strict=True)]
    if sum(shares) < 1 - _SLACK:
        return False
    likeliest = max(range(len(starts)), key=shares.__getitem__)
    if _share(log_evidence_of_rate(since(starts[likeliest], counts), p, side), starts[likeliest], limit) >= 1 + _SLACK:
        return True
    for place, start in enumerate(starts):
        if bounds[place] > 0:
            bound = min(bounds[place], most_log_evidence(since(start, counts), p, side))
            shares[place] = _share(bound, start, limit)
    return _reaches_exactly(starts, counts, claim, shares)


def keep(starts: Sequence[Start], newest: Start, *, most: int = MOST_STARTS) -> tuple[Start, ...]:
    """Answer the starts with `newest`, at most `most` >= 3 of them: dense near now, geometrically thinner in the past.

    The first and the newest always stay. The one that goes is the one whose neighbours are nearest to each other in
    age, as a ratio. A newest that adds nothing (no check later, or nothing counted since the last) is not taken.
    """
    if not starts:
        return (newest,)
    last = starts[-1]
    if newest.check <= last.check or newest.counts == last.counts:
        return tuple(starts)
    kept = [*starts, newest]
    while len(kept) > most:
        ages = [newest.check - start.check + 1 for start in kept]
        least = min(range(1, len(kept) - 1), key=lambda place: ages[place - 1] / ages[place + 1])
        del kept[least]
    return tuple(kept)


def since(start: Start, counts: Counts) -> Counts:
    """Answer what was counted after `start`. Raises ValueError where that would be less than nothing."""
    good = counts.good - start.counts.good
    bad = (counts.total - counts.good) - (start.counts.total - start.counts.good)
    if min(good, bad) < -_LOST * counts.total:
        raise ValueError(f"{counts} are fewer than at check {start.check}: {start.counts}")
    good, bad = max(good, 0.0), max(bad, 0.0)
    return Counts(good, good + bad)


def _rough_bounds(starts: Sequence[Start], counts: Counts, p: float, side: Side) -> list[float]:
    at, bounds = threshold(p), []
    variance, sign = at.p * at.q, 1 if side is Side.BELOW else -1
    good, bad, floor = counts.good, counts.total - counts.good, -_LOST * counts.total
    for start in starts:
        # Inlined from `since` and `distance`: 48 of these stand in every look at every gate.
        s, f = good - start.counts.good, bad - (start.counts.total - start.counts.good)
        if min(s, f) < floor:
            since(start, counts)  # says what is wrong
        n = s + f
        d = sign * (s * at.q - f * at.p)
        if d >= 0:
            bounds.append(0.0)
        elif min(s, f) > _LOST:
            bounds.append(d * d / (2 * min(s * f / n, n * variance)))
        else:
            bounds.append(inf)
    return bounds


def _reaches_exactly(starts: Sequence[Start], counts: Counts, claim: Claim, shares: list[float]) -> bool:
    exact, open_bounds = 0.0, sum(shares)
    for place in sorted(range(len(starts)), key=lambda place: -shares[place]):
        if exact + open_bounds < 1 - _SLACK:
            return False
        log_e = log_evidence_of_rate(since(starts[place], counts), claim.p, claim.side)
        exact += _share(log_e, starts[place], claim.limit)
        open_bounds -= shares[place]
        if exact >= 1 + _SLACK:
            return True
    return log_evidence(starts, counts, claim.p, claim.side) >= claim.limit


def _share(log_e: float, start: Start, limit: float) -> float:
    """Answer E / (j (j + 1)) as a share of e^limit; more than enough is as good as any more."""
    return exp(min(log_e - limit, 600.0)) / (start.check * (start.check + 1))
