"""From counts to a verdict: Fail is tested first, then Pass, else Inconclusive.

    at least p:    Fail  when log E_below(p) >= ln(1/alpha_fail)
                   Pass  when log E_above(p - margin) >= ln(1/alpha_pass)
    at most u:     Fail  when log E_above(u) does, Pass when log E_below(u + margin) does
    within [l,h]:  Pass  when E_above(l) and E_below(h) both reach 1/alpha_pass
                   Fail  when E_below(l) or  E_above(h) reaches 2/alpha_fail

A bound of 0 or less, or of 1 or more, is met by itself. Late harm is in change_point.py.
"""

from math import inf, log

from serin_core.evidence import rate
from serin_core.evidence.bounds import Alphas, AtLeast, AtMost, Bound, Within
from serin_core.evidence.counts import Counts, Verdict
from serin_core.evidence.rate import Claim, Side


def judge(counts: Counts, bound: Bound, alphas: Alphas) -> Verdict:
    """Evaluate a rate against its bound, by all counts together."""
    if bound.is_met_by_itself:
        return Verdict.PASS
    if any(rate.reaches(counts, claim) for claim in failing(bound, alphas)):
        return Verdict.FAIL
    if all(rate.reaches(counts, claim) for claim in passing(bound, alphas)):
        return Verdict.PASS
    return Verdict.INCONCLUSIVE


def failing(bound: Bound, alphas: Alphas) -> tuple[Claim, ...]:
    """Return the claims; any one of them suffices to Fail."""
    match bound:
        case AtLeast(p=p):
            return (Claim(p, Side.BELOW, log_limit(alphas.rollback)),)
        case AtMost(u=u):
            return (Claim(u, Side.ABOVE, log_limit(alphas.rollback)),)
        case Within(low=low, high=high):
            limit = log_limit(alphas.rollback / 2)
            return (Claim(low, Side.BELOW, limit), Claim(high, Side.ABOVE, limit))


def passing(bound: Bound, alphas: Alphas) -> tuple[Claim, ...]:
    """Return the claims that must all hold to Pass."""
    limit = log_limit(alphas.promote)
    match bound:
        case AtLeast(p=p, margin=margin):
            return (Claim(p - margin, Side.ABOVE, limit),)
        case AtMost(u=u, margin=margin):
            return (Claim(u + margin, Side.BELOW, limit),)
        case Within(low=low, high=high):
            return (Claim(low, Side.ABOVE, limit), Claim(high, Side.BELOW, limit))


def log_limit(alpha: float) -> float:
    """Return ln(1/alpha): inf, never reached, for an alpha of 0."""
    return -log(alpha) if alpha > 0 else inf
