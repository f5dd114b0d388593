"""Whether a look can move a rollout, told without making it, so that looks that cannot are not made.

What a look does to a rate gate, and nothing else: it adds a check to what the gate remembers, and it may Fail or Pass.
The first is kept here as the list of all counts by check, from which the memory after any check is made again. The
second is answered exactly, by the same `late_harm.reaches` and `rate.reaches` that judge; only a Fail that cannot be is
told without them, by a bound from above:

With w_j = 1/(j(j+1)) and D = s - n p (for Fail by "below p"; mirrored for "above"), a drop d of D over n requests has a
likelihood ratio of at most exp(n KL((np - d)/n || p)), which for given d falls with n, and n >= d/p, so it is at most
e^(c d), c = ln(1/q)/p. Let B be the sum of w_j E_j at check k, bounded by n KL start by start. At a later check every
E_j of a start up to k has grown by at most e^(c (D_k - D)), and the starts after k weigh at most 1/(k+1) together and
have evidence of at most e^(c (max D since k - D)). So while

    B e^(c max(D_k - D, 0)) + e^(c (max D since k - D)) / (k + 1) < 1/alpha

no check can Fail. Never decides: where a verdict may be reached the look itself is made, by `decide`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, inf, log
from typing import Final

from serin_core.api.status import CountsAt, GateMemory
from serin_core.evidence import Alphas, Bound, Counts, Start, change_point, rate
from serin_core.evidence.rate import Claim, Side
from serin_core.evidence.verdict import failing, passing
from serin_simulation.starts import SCHEDULES

_SLACK: Final = 1e-6
"""How far a bound must stay below the limit: far above its rounding."""
_MOST: Final = 600.0


@dataclass(slots=True)
class Walk:
    """The bound on one claim's late harm, carried from check to check."""

    claim: Claim
    steepest: float
    """The most by which one more of D's drop can raise the log evidence."""
    log_sum: float = -inf
    """ln B at check k..."""
    at: float = 0.0
    """... D_k there..."""
    check: int = 0
    top: float = 0.0
    """... and the greatest D since."""
    allowed: float = 0.0
    """A drop of D below `top` up to which both terms of the bound stay below half the limit."""

    @classmethod
    def of(cls, claim: Claim) -> "Walk":
        """Answer the walk of a claim before anything was counted."""
        p = claim.p if claim.side is Side.BELOW else 1 - claim.p
        return cls(claim, steepest=log(1 / (1 - p)) / p if 0 < p < 1 else inf)

    def place(self, good: float, total: float) -> float:
        """Answer D."""
        p = self.claim.p
        return good - total * p if self.claim.side is Side.BELOW else total * p - good

    def is_settled(self, d: float) -> bool:
        """Tell whether the bound at place `d` stays below the limit; `d` has been seen."""
        self.top = max(self.top, d)
        if self.top - d <= self.allowed:
            return True
        old = self.log_sum + self.steepest * max(self.at - d, 0.0)
        new = self.steepest * (self.top - d) - log(self.check + 1)
        limit = self.claim.limit - _SLACK
        if max(old, new) >= limit:
            return False
        return exp(old - limit) + exp(new - limit) < 1

    def settle(self, *, log_sum: float, d: float, check: int) -> None:
        """Begin anew from a bound that was worked out start by start."""
        self.log_sum, self.at, self.top, self.check = log_sum, d, d, check
        self.allowed = (self.claim.limit - _SLACK - log(2) - max(log_sum, -log(check + 1))) / self.steepest


@dataclass(slots=True)
class RateWatch:
    """One gate on a rate, check by check: what gates/rate.py remembers of them, and what it would say."""

    bound: Bound
    alphas: Alphas
    design_effect: float = 1.0
    has_delay: bool = False
    good: float = 0.0
    total: float = 0.0
    checks: int = 0
    zero: tuple[float, float] | None = None
    first_is_empty: bool = False
    seen: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 0.0)])
    """Counts after each check; before the first, where they begin."""
    before: tuple[int, float, float, tuple[float, float] | None] = (0, 0.0, 0.0, None)
    """Checks, counts and zero as they stood before the last look."""
    walks: tuple[Walk, ...] = ()
    passing: tuple[Claim, ...] = ()

    def __post_init__(self) -> None:
        if not self.bound.is_met_by_itself:
            self.walks = tuple(Walk.of(claim) for claim in failing(self.bound, self.alphas))
            self.passing = passing(self.bound, self.alphas)

    def see(self, found: tuple[float, float] | None) -> None:
        """Take in one look at good and total, as `_remember` does; None where nothing was read."""
        self.before = (self.checks, self.good, self.total, self.zero)
        if found is None or (found[1] <= self.total and self.checks):
            return
        good, total = found
        self.good, self.total = good, total
        if self.has_delay and self.zero is None:
            self.zero = (good, total)
            self.seen[0] = self.zero
            return
        self.checks += 1
        if self.checks == 1:
            self.first_is_empty = (good, total) == self.seen[0]
        self.seen.append((good, total))

    def counts(self) -> Counts:
        """Answer what is judged now."""
        return self._since(self.good, self.total)

    def fails(self) -> bool:
        """Tell whether the gate Fails at the last look, as `judge` does."""
        if self.zero is None and self.design_effect == 1:
            good, total = self.good, self.total
        else:
            good, total = self._pair(self.good, self.total)
        for walk in self.walks:
            d = walk.place(good, total)
            if not walk.is_settled(d) and self._fails(walk, d):
                return True
        return False

    def passes(self) -> bool:
        """Tell whether all that a Pass asks for is proven at the last look."""
        counts = self.counts()
        return all(rate.reaches(counts, claim) for claim in self.passing)

    def memory(self, bound: str) -> GateMemory:
        """Answer what the gate remembered before the last look."""
        checks, good, total, zero = self.before
        numbers = SCHEDULES[self.first_is_empty].after(checks) if checks or zero is not None else ()
        at = None if zero is None else CountsAt(check=1, good=zero[0], total=zero[1])
        return GateMemory(
            bound=bound,
            good=good,
            total=total,
            zero=at,
            checks=checks,
            starts=tuple(
                CountsAt(check=one, good=self.seen[one - 1][0], total=self.seen[one - 1][1]) for one in numbers
            ),
        )

    def _start(self, number: int) -> CountsAt:
        good, total = self.seen[number - 1]
        return CountsAt(check=number, good=good, total=total)

    def _since(self, good: float, total: float) -> Counts:
        if self.zero is None and self.design_effect == 1:
            return Counts(good, total)
        zero = self.zero or (0.0, 0.0)
        some, bad = good - zero[0], (total - good) - (zero[1] - zero[0])
        return Counts(max(some, 0.0) / self.design_effect, (max(some, 0.0) + max(bad, 0.0)) / self.design_effect)

    def _fails(self, walk: Walk, d: float) -> bool:
        counts = self.counts()
        numbers = SCHEDULES[self.first_is_empty].after(self.before[0])
        if self.zero is None and self.design_effect == 1:
            starts = [self.seen[one - 1] for one in numbers]
        else:
            starts = [self._pair(*self.seen[one - 1]) for one in numbers]
        log_sum = _bound(numbers, starts, counts, walk)
        if log_sum < walk.claim.limit - _SLACK:
            walk.settle(log_sum=log_sum, d=d, check=self.checks)
            return False
        all_starts = [Start(one, Counts(*pair)) for one, pair in zip(numbers, starts, strict=True)]
        return change_point.reaches(all_starts, counts, walk.claim)

    def _pair(self, good: float, total: float) -> tuple[float, float]:
        counts = self._since(good, total)
        return counts.good, counts.total


def _bound(numbers: Sequence[int], starts: Sequence[tuple[float, float]], counts: Counts, walk: Walk) -> float:
    """Answer ln of the sum over starts of e^(n KL) / (j (j + 1)), no less than the mixture's evidence."""
    below = walk.claim.side is Side.BELOW
    p = walk.claim.p if below else 1 - walk.claim.p
    q = 1 - p
    now_good, now_total = counts.good, counts.total
    whole = 0.0
    for number, (good, total) in zip(numbers, starts, strict=True):
        n = now_total - total
        s = now_good - good if below else n - (now_good - good)
        if s >= n * p:
            whole += 1 / (number * (number + 1))
            continue
        f = n - s
        far = f * log(f / (n * q)) + (s * log(s / (n * p)) if s > 0 else 0.0)
        whole += exp(min(far, _MOST)) / (number * (number + 1))
    return log(whole) if whole > 0 else -inf
