"""Late harm: evidence mixed over the check at which the harm may have begun.

    log E = logsumexp over starts j of (log E_side(counts since start j) - ln(j (j + 1)))

Each term is an e-process begun at check j and weighted so that the weights of all checks sum to 1; a mixture of
e-processes is one, so it reaches 1/alpha with a chance of at most alpha while the rate stays on the null's side.
A cumulative count alone needs 54 checks to notice a drop from 0.85 to 0.55 after 40 good checks of 50; this needs 5.
Relation: e-detectors (Shin, Ramdas, Rinaldo, 2024).

A start that is not kept counts as 0, so dropping starts only lowers E.
"""

from collections.abc import Sequence
from math import exp, inf, log
from typing import Final

from serin_core.evidence.counts import Counts
from serin_core.evidence.rate import Claim, Side, most_log_evidence, threshold
from serin_core.evidence.rate import log_evidence as log_evidence_of_rate

MAX_STARTS: Final = 48
_SLACK: Final = 1e-7
"""How far a bound must stay below the limit: far above the rounding of any log E near it."""
_MOST_LOG: Final = 600.0
"""Logarithms are cut here before exp: far above every limit."""
_LOST: Final = 1e-9
"""How far a difference of counts may fall below 0 by rounding, relative to the counts."""


Start = tuple[int, float, float]
"""Number of a check >= 1 of the stage, and good and total just before it: there harm may have begun."""


def log_evidence(starts: Sequence[Start], counts: Counts, p: float, side: Side) -> float:
    """Return the natural log of the mixture, -inf without starts. Raises ValueError for a start after `counts`."""
    terms = [_term(start, counts, p, side) for start in starts]
    greatest = max(terms, default=-inf)
    return greatest if abs(greatest) == inf else greatest + log(sum(exp(term - greatest) for term in terms))


def reaches(starts: Sequence[Start], counts: Counts, claim: Claim) -> bool:
    """Return whether `log_evidence` is at least the limit, computing as few tails of the beta distribution as possible.

    Every start first gets an upper bound: its greatest likelihood ratio (`_log_ratios`). If these and the likeliest
    start alone do not settle it, E(p) over the prior's tail; then, greatest first, the exact value. While the bounds
    sum to less than 1/alpha, so does the exact sum: the result is False. Once exact values alone sum to 1/alpha, the
    rest, being positive, cannot change True. So skipping never changes the result.
    """
    p, side, limit = claim.p, claim.side, claim.limit
    if limit == inf:
        return False
    if not 0 < p < 1 or limit <= 0:
        return log_evidence(starts, counts, p, side) >= limit
    bounds = _log_ratios(starts, counts, claim)
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


def log_bound(starts: Sequence[Start], counts: Counts, claim: Claim) -> float:
    """Return an upper bound of `log_evidence`, 0 < p < 1."""
    ratios = _log_ratios(starts, counts, claim)
    greatest = max(ratios, default=-inf)
    if greatest == -inf:
        return -inf
    weights = [
        exp(ratio - greatest) / (check * (check + 1)) for (check, _, _), ratio in zip(starts, ratios, strict=True)
    ]
    return greatest + log(sum(weights))


def likeliest(starts: Sequence[Start], counts: Counts, claim: Claim) -> Start:
    """Return the start whose counts since then are the strongest evidence in the mixture."""
    return max(starts, key=lambda start: _term(start, counts, claim.p, claim.side))


class KeptChecks:
    """Check numbers of the starts that are kept: dense near the newest, geometrically thinner in the past.

    The first and the newest always stay. The one that is dropped is the one whose neighbours are nearest to each other
    in age, as a ratio. Successors are remembered, so that many rollouts with the same checks share the work.
    """

    __slots__ = ("_next", "checks")

    def __init__(self, checks: tuple[int, ...]) -> None:
        self.checks = checks
        self._next: dict[int, KeptChecks] = {}

    def with_newest(self, check: int) -> "KeptChecks":
        """Return the numbers that are kept once `check`, later than all of them, is added."""
        try:
            return self._next[check]
        except KeyError:
            found = self._next[check] = KeptChecks(_thinned((*self.checks, check)))
            return found


FIRST_CHECK: Final = KeptChecks((1,))
"""At the beginning of every stage."""


def _thinned(checks: tuple[int, ...]) -> tuple[int, ...]:
    while len(checks) > MAX_STARTS:
        ages = [checks[-1] - check + 1 for check in checks]
        drop = min(range(1, len(checks) - 1), key=lambda place: ages[place - 1] / ages[place + 1])
        checks = (*checks[:drop], *checks[drop + 1 :])
    return checks


def since(start: Start, counts: Counts) -> Counts:
    """Return what was counted after `start`. Raises ValueError if that is less than nothing."""
    check, start_good, start_total = start
    good, bad = counts.good - start_good, (counts.total - counts.good) - (start_total - start_good)
    if min(good, bad) < -_LOST * counts.total:
        raise ValueError(f"{counts} are fewer than at check {check}: {start_good:g} good of {start_total:g}")
    good, bad = max(good, 0.0), max(bad, 0.0)
    return Counts(good, good + bad)


def _term(start: Start, counts: Counts, p: float, side: Side) -> float:
    return log_evidence_of_rate(since(start, counts), p, side) - log(start[0] * (start[0] + 1))


def _log_ratios(starts: Sequence[Start], counts: Counts, claim: Claim) -> list[float]:
    """Return ln of the greatest likelihood ratio since each start, n KL(s/n || p), 0 on the other side of p.

    The evidence is a mean of likelihood ratios, so it is at most the greatest.
    """
    at, found = threshold(claim.p), []
    is_below = claim.side is Side.BELOW
    p, q = (at.p, at.q) if is_below else (at.q, at.p)
    good, bad, floor = counts.good, counts.total - counts.good, -_LOST * counts.total
    for check, start_good, start_total in starts:
        # Inlined from `since` and `distance`: this runs up to 48 times for every gate at every check.
        s, f = good - start_good, bad - (start_total - start_good)
        if min(s, f) < floor:
            raise ValueError(f"{counts} are fewer than at check {check}: {start_good:g} good of {start_total:g}")
        if not is_below:
            s, f = f, s
        n = s + f
        if s * q >= f * p:
            found.append(0.0)
        else:
            found.append(f * log(f / (n * q)) + (s * log(s / (n * p)) if s > 0 else 0.0))
    return found


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
    """Return E / (j (j + 1)) as a share of e^limit, cut far above 1."""
    return exp(min(log_e - limit, _MOST_LOG)) / (start[0] * (start[0] + 1))
