"""State of a gate on one rate during a stage: counts, where they begin, and the starts of possible late harm.

The operator restores it from the resource's status at each check. The simulation keeps it from check to check. Then it
also carries an upper bound of the evidence for Fail, so that most checks need no evaluation start by start:

With w_j = 1/(j(j+1)) and D = s - n p (for Fail by "below p"; mirrored for "above"), a drop d of D over n requests has a
likelihood ratio of at most exp(n KL((np - d)/n || p)), which for given d falls with n, and n >= d/p, so it is at most
e^(c d), c = ln(1/q)/p. Let B be the sum of w_j E_j at check k, bounded by n KL start by start. At a later check every
E_j of a start up to k has grown by at most e^(c (D_k - D)), and the starts after k weigh at most 1/(k+1) together and
have evidence of at most e^(c (max D since k - D)). So while

    B e^(c max(D_k - D, 0)) + e^(c (max D since k - D)) / (k + 1) < 1/alpha

no check can Fail.
"""

from dataclasses import dataclass
from math import exp, inf, log
from typing import Final

from serin_core.api.gate_status import CountsAt, GateMemory
from serin_core.evidence import change_point, rate
from serin_core.evidence.bounds import Alphas, Bound
from serin_core.evidence.change_point import FIRST_CHECK, KeptChecks, Start
from serin_core.evidence.counts import Counts, Verdict
from serin_core.evidence.rate import Claim, Side
from serin_core.evidence.verdict import failing, passing

_SLACK: Final = 1e-6
"""How far a bound must stay below the limit: far above its rounding."""


@dataclass(slots=True)
class _FailBound:
    """Upper bound of the evidence for one claim of Fail, carried from check to check."""

    claim: Claim
    p: float
    sign: float
    """1 for the claim that the rate is below p, -1 for above."""
    steepest: float
    """c, the maximum growth of the log evidence for a drop of D by one."""
    log_sum: float = -inf
    """ln B at check k; inf while it is not known."""
    at: float = 0.0
    """D at check k."""
    check: int = 0
    """k."""
    top: float = 0.0
    """Maximum of D since."""
    allowed: float = 0.0
    """Drop of D below `top` up to which both terms of the bound stay below half the limit."""

    @classmethod
    def of(cls, claim: Claim, *, is_known: bool) -> "_FailBound":
        is_below = claim.side is Side.BELOW
        p = claim.p if is_below else 1 - claim.p
        return cls(
            claim,
            claim.p,
            1.0 if is_below else -1.0,
            steepest=log(1 / (1 - p)) / p,
            log_sum=-inf if is_known else inf,
            allowed=0.0 if is_known else -inf,
        )

    def place(self, good: float, total: float) -> float:
        """Return D."""
        return self.sign * (good - total * self.p)

    def excludes_fail(self, d: float) -> bool:
        """Return whether the bound stays below the limit at D = `d`."""
        drop = self.top - d
        if drop <= self.allowed:
            return True
        old = self.log_sum + self.steepest * max(self.at - d, 0.0)
        new = self.steepest * max(drop, 0.0) - log(self.check + 1)
        limit = self.claim.limit - _SLACK
        return max(old, new) < limit and exp(old - limit) + exp(new - limit) < 1

    def renew(self, *, log_sum: float, d: float, check: int) -> None:
        """Replace the bound by one that was computed start by start."""
        self.log_sum, self.at, self.top, self.check = log_sum, d, d, check
        self.allowed = (self.claim.limit - _SLACK - log(2) - max(log_sum, -log(check + 1))) / self.steepest


class RateState:
    """Evidence of one gate on a rate, check by check: `fails` and `passes` evaluate new counts, `record` keeps them."""

    def __init__(
        self,
        bound: Bound,
        alphas: Alphas,
        *,
        design_effect: float = 1.0,
        has_delay: bool = False,
        memory: GateMemory | None = None,
    ) -> None:
        memory = memory or GateMemory()
        self.bound = bound
        self._design_effect, self._has_delay = design_effect, has_delay
        self._good, self._total, self._checks = memory.good, memory.total, memory.checks
        self._zero = None if memory.zero is None else (memory.zero.good, memory.zero.total)
        self._is_plain = design_effect == 1 and not has_delay and self._zero is None
        self._at = {start.check: (start.good, start.total) for start in memory.starts} or {1: (0.0, 0.0)}
        """Counts just before each check that may be a start."""
        self._kept = KeptChecks(tuple(self._at)) if memory.starts else FIRST_CHECK
        is_known = not memory.checks and self._zero is None
        is_open = not bound.is_met_by_itself
        self._fail_bounds = [
            _FailBound.of(claim, is_known=is_known) for claim in failing(bound, alphas) if is_open and 0 < claim.p < 1
        ]
        self._passing = passing(bound, alphas) if is_open else ()

    def is_new(self, total: float) -> bool:
        """Return whether something was counted since the last check. A lagging replica may show less than before."""
        return total > self._total or not self._checks

    def evidence(self, good: float, total: float) -> Counts:
        """Return the counts that are evaluated: since counting began, divided by the design effect."""
        if not self.is_new(total):
            good, total = self._good, self._total
        return Counts(*self._adjusted(good, total))

    def verdict(self, good: float, total: float) -> Verdict:
        """Evaluate cumulative counts."""
        if self.fails(good, total):
            return Verdict.FAIL
        return Verdict.PASS if self.passes(good, total) else Verdict.INCONCLUSIVE

    def fails(self, good: float, total: float) -> bool:
        """Return whether cumulative counts prove that the rate is, or has become, too bad."""
        if total <= self._total and self._checks:
            good, total = self._good, self._total
        if not self._is_plain:
            good, total = self._adjusted(good, total)
        for one in self._fail_bounds:
            d = one.place(good, total)
            if not one.excludes_fail(d) and self._fails(one, Counts(good, total), d):
                return True
        return False

    def passes(self, good: float, total: float) -> bool:
        """Return whether cumulative counts prove everything that a Pass needs."""
        counts = self.evidence(good, total)
        return all(rate.reaches(counts, claim) for claim in self._passing)

    def harm(self, good: float, total: float) -> tuple[Start, Claim]:
        """Return the claim that fails at these counts, and the start since which they are the strongest evidence."""
        counts = self.evidence(good, total)
        starts = self._starts(counts)
        claim = next(one.claim for one in self._fail_bounds if change_point.reaches(starts, counts, one.claim))
        return change_point.likeliest(starts, counts, claim), claim

    def record(self, good: float, total: float) -> None:
        """Keep the counts of a check; nothing changes unless something new was counted."""
        if total <= self._total and self._checks:
            return
        self._good, self._total = good, total
        if self._has_delay and self._zero is None:
            self._zero, self._at, self._kept = (good, total), {1: (good, total)}, FIRST_CHECK
            return
        self._checks += 1
        # Only the first check can have counted nothing.
        if self._checks > 1 or (good, total) != self._at[1]:
            self._at[self._checks + 1] = (good, total)
        if not self._is_plain:
            good, total = self._adjusted(good, total)
        for one in self._fail_bounds:
            d = one.place(good, total)
            one.top = max(one.top, d)

    def memory(self, before: GateMemory) -> GateMemory:
        """Return what a later check needs, as it is kept in the status."""
        zero = None if self._zero is None else CountsAt(check=1, good=self._zero[0], total=self._zero[1])
        known = {start.check: start for start in before.starts if zero == before.zero}
        at = self._at
        starts = [
            known.get(one) or CountsAt(check=one, good=at[one][0], total=at[one][1]) for one in self._kept_checks()
        ]
        return GateMemory(
            bound=before.bound,
            judged_by=before.judged_by,
            edits=before.edits,
            good=self._good,
            total=self._total,
            zero=zero,
            checks=self._checks,
            starts=tuple(starts) if self._checks or zero else (),
        )

    def _fails(self, bound: _FailBound, counts: Counts, d: float) -> bool:
        starts = self._starts(counts)
        log_sum = change_point.log_bound(starts, counts, bound.claim)
        if log_sum < bound.claim.limit - _SLACK and len(starts) == len(self._kept.checks):
            bound.renew(log_sum=log_sum, d=d, check=self._checks + 1)
            return False
        return change_point.reaches(starts, counts, bound.claim)

    def _starts(self, counts: Counts) -> list[Start]:
        """Return the starts that are part of the counts: shares of users fall where one more process counts them."""
        at, checks = self._at, self._kept_checks()
        if self._is_plain:  # most gates: a call for each start would cost a tenth of an evaluation
            starts = [(check, *at[check]) for check in checks]
        else:
            starts = [(check, *self._adjusted(*at[check])) for check in checks]
        good, bad = counts.good, counts.total - counts.good
        return [one for one in starts if one[1] <= good and one[2] - one[1] <= bad]

    def _kept_checks(self) -> tuple[int, ...]:
        """Return the checks that are kept as starts, up to the last one that was recorded."""
        for check in range(self._kept.checks[-1] + 1, self._checks + 2):
            if check in self._at:
                self._kept = self._kept.with_newest(check)
        return self._kept.checks

    def _adjusted(self, good: float, total: float) -> tuple[float, float]:
        if self._is_plain:
            return good, total
        if self._has_delay and self._zero is None:
            return 0.0, 0.0
        zero_good, zero_total = self._zero or (0.0, 0.0)
        some, bad = max(good - zero_good, 0.0), max((total - good) - (zero_total - zero_good), 0.0)
        return some / self._design_effect, (some + bad) / self._design_effect
