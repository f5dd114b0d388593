"""Evidence that bad outcomes are likelier in the canary than in the control group, or provably not much likelier.

Each check adds what was answered since the last: x bad of n_c in the canary, K - x bad of n_b in the control group.
Given the margins n_c, n_b, K, under a common odds ratio psi, x follows Fisher's noncentral hypergeometric distribution

    P_psi(x) proportional to C(n_c, x) C(n_b, K - x) psi^x

in which the base rate has cancelled, and so has the split: both may drift from check to check freely. (Not within
the answers of one check: were the canary's answers older than the control group's, and the rate or the time to answer
moved meanwhile, that would look like a difference. In a stage of one split, both arms counted from its beginning, they
are not.) With 24 odds ratios psi_j, 1.05 to 20 (for "below": their inverses),

    log E = logsumexp_j( sum over checks of [ln P_(psi_j tau)(x) - ln P_tau(x)] ) - ln 24

is evidence that the odds ratio is above tau (below it). The family has a monotone likelihood ratio, so each factor has
a conditional expectation of at most 1 under every odds ratio on the null's side, 1 at tau: E is a supermartingale and
reaches 1/alpha with a chance of at most alpha, whatever the schedule of checks. Source: Fisher, JRSS 98(1), 1935, for
the distribution; Turner, Ly, Gruenwald, JSPI 230, 2024, for the setting.

The sum over the support goes from the mode outward until a term no longer counts. Where the distribution is wide
(standard deviation sd >= 12) every k-th term is taken k times, k <= sd / 1.6: of a sum so smooth that is wrong by a
relative 2 exp(-2 (pi sd / k)^2) < 1e-21 (Poisson's summation formula; the ends of the support are then at least sd
standard deviations away). So a check costs at most about a millisecond, however many answers it brought. Error of one
check: 1e-15 n ln n for n answers, absolute. Rates of different checks are never compared.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp, inf, lgamma, log, sqrt
from operator import add
from typing import Final

from serin_core.evidence.counts import Counts
from serin_core.evidence.rate import Side

_MIN_RATIO: Final = 1.05
_MAX_RATIO: Final = 20.0
_RATIOS: Final = 24
LOG_RATIOS: Final = tuple(
    log(_MIN_RATIO) + log(_MAX_RATIO / _MIN_RATIO) * place / (_RATIOS - 1) for place in range(_RATIOS)
)
"""Logarithms of the odds ratios of the mixture, geometric."""
_NEGLIGIBLE: Final = 1e-17
_WIDE: Final = 12.0
"""Standard deviations from which on not every term is summed..."""
_TERMS_PER_DEVIATION: Final = 1.6
"""... but at least this many in each standard deviation."""
_WHOLE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class TwoArms:
    """Evidence of the checks so far that the odds ratio of bad outcomes, canary to control, is on a side of `limit`."""

    limit: float = 1.0
    side: Side = Side.ABOVE
    log_ratios: tuple[float, ...] = (0.0,) * _RATIOS
    """For each odds ratio of the mixture, the sum over checks of ln P - ln P_limit."""

    def __post_init__(self) -> None:
        if not 0 < self.limit < inf or len(self.log_ratios) != _RATIOS:
            raise ValueError(f"no odds ratio of {self.limit:g} with {len(self.log_ratios)} sums")


def observe(state: TwoArms, canary: Counts, control: Counts) -> TwoArms:
    """Return the state after one more check: what was answered in each arm since the last one, good of total.

    Raises ValueError unless these are whole numbers: fractions of an answer have no such distribution.
    """
    canary_bad, canary_total = _whole(canary.total - canary.good), _whole(canary.total)
    control_bad, control_total = _whole(control.total - control.good), _whole(control.total)
    table = _Margins(canary_total, control_total, canary_bad + control_bad)
    if table.fewest == table.most:
        return state
    terms = _log_ratios(table, canary_bad, state.limit, state.side)
    return replace(state, log_ratios=tuple(map(add, state.log_ratios, terms)))


@lru_cache(maxsize=4096)
def _log_ratios(table: "_Margins", canary_bad: int, limit: float, side: Side) -> tuple[float, ...]:
    """Return ln P - ln P_limit of one check for each odds ratio of the mixture."""
    sign = 1 if side is Side.ABOVE else -1
    at_limit = table.log_norm(log(limit))
    return tuple(canary_bad * sign * psi - (table.log_norm(log(limit) + sign * psi) - at_limit) for psi in LOG_RATIOS)


def log_evidence(state: TwoArms) -> float:
    """Return the natural log of the evidence that the odds ratio lies on the state's side of its limit."""
    greatest = max(state.log_ratios)
    return greatest + log(sum(exp(value - greatest) for value in state.log_ratios) / _RATIOS)


@dataclass(frozen=True, slots=True)
class _Margins:
    """The margins of one check's two by two table."""

    canary: int
    control: int
    bad: int

    @property
    def fewest(self) -> int:
        return max(0, self.bad - self.control)

    @property
    def most(self) -> int:
        return min(self.canary, self.bad)

    def log_norm(self, log_psi: float) -> float:
        """Return ln of the sum over x of C(canary, x) C(control, bad - x) psi^x, less what all psi share."""
        mode = self._mode(exp(log_psi))
        stride = int(self._deviation(mode) / _TERMS_PER_DEVIATION) if self._deviation(mode) >= _WIDE else 1
        at_mode = self._log_term(mode, log_psi)
        total = self._sum_every(stride, mode, log_psi, at_mode) if stride > 1 else self._sum(mode, exp(log_psi))
        return at_mode + log(total)

    def _sum(self, mode: int, psi: float) -> float:
        """Return the sum of all terms over the one at the mode."""
        total = 1.0
        term, x = 1.0, mode
        while x < self.most and term > _NEGLIGIBLE * total:
            x += 1
            term *= self._step(x, psi)
            total += term
        term, x = 1.0, mode
        while x > self.fewest and term > _NEGLIGIBLE * total:
            term /= self._step(x, psi)
            x -= 1
            total += term
        return total

    def _sum_every(self, stride: int, mode: int, log_psi: float, at_mode: float) -> float:
        """Return the same sum from every `stride`-th term."""
        total = 1.0
        for direction in (stride, -stride):
            term, x = 1.0, mode + direction
            while self.fewest <= x <= self.most and term > _NEGLIGIBLE * total:
                term = exp(self._log_term(x, log_psi) - at_mode)
                total += term
                x += direction
        return stride * total

    def _log_term(self, x: int, log_psi: float) -> float:
        others = lgamma(self.canary - x + 1) + lgamma(self.bad - x + 1) + lgamma(self.control - self.bad + x + 1)
        return x * log_psi - lgamma(x + 1) - others

    def _deviation(self, mode: int) -> float:
        """Return the approximate standard deviation, from the curvature at the mode."""
        cells = (mode, self.canary - mode, self.bad - mode, self.control - self.bad + mode)
        return 1 / sqrt(sum(1 / (cell + 1) for cell in cells))

    def _step(self, x: int, psi: float) -> float:
        """Return the term at x over that at x - 1."""
        return psi * (self.canary - x + 1) * (self.bad - x + 1) / (x * (self.control - self.bad + x))

    def _mode(self, psi: float) -> int:
        """Return the x of the greatest term: where the step falls below 1, the root of a quadratic."""
        half = self.control - self.bad + psi * (self.canary + self.bad + 2)
        end = psi * (self.canary + 1) * (self.bad + 1)
        root = 2 * end / (half + sqrt(half * half + 4 * (1 - psi) * end))
        return min(max(int(root), self.fewest), self.most)


def _whole(count: float) -> int:
    if abs(count - round(count)) > _WHOLE:
        raise ValueError(f"{count:g} is not a whole number of answers")
    return round(count)
