"""Evidence that bad outcomes are likelier in the canary than in the control group, or surely not much likelier.

Each check adds what was answered since the last: x bad of n_c in the canary, K - x bad of n_b in the control group.
Given the margins n_c, n_b, K, under a common odds ratio psi, x follows Fisher's noncentral hypergeometric law

    P_psi(x) proportional to C(n_c, x) C(n_b, K - x) psi^x

in which the base rate has cancelled, and so has the split: both may drift from check to check as they like. With 24
odds ratios psi_j, 1.05 to 20 (below the limit: their inverses),

    log E = logsumexp_j( sum over checks of [ln P_(psi_j tau)(x) - ln P_tau(x)] ) - ln 24

is evidence that the odds ratio is above tau (below it). The family has a monotone likelihood ratio, so each factor has
a conditional expectation of at most 1 under every odds ratio on the null's side, 1 at tau: E is a supermartingale and
reaches 1/alpha with a chance of at most alpha, whatever the looks. Source: Fisher, JRSS 98(1), 1935, for the law;
Turner, Ly, Gruenwald, JSPI 230, 2024, for the setting.

Exact sums over the support, from the mode outward, until a term no longer counts: about 16 standard deviations.
Error of one check: 1e-15 times the number of answers, absolute. Never compares the rates of different checks.
"""

from dataclasses import dataclass, replace
from math import exp, inf, lgamma, log, sqrt
from typing import Final

from serin_core.evidence.counts import Counts
from serin_core.evidence.rate import Side

_LEAST_RATIO: Final = 1.05
_GREATEST_RATIO: Final = 20.0
_RATIOS: Final = 24
LOG_RATIOS: Final = tuple(
    log(_LEAST_RATIO) + log(_GREATEST_RATIO / _LEAST_RATIO) * place / (_RATIOS - 1) for place in range(_RATIOS)
)
"""Logarithms of the odds ratios of the mixture, geometric."""
_NEGLIGIBLE: Final = 1e-17
_WHOLE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class TwoArms:
    """What the checks so far say of the odds ratio of bad outcomes, canary to control: on this side of `limit`?"""

    limit: float = 1.0
    side: Side = Side.ABOVE
    log_ratios: tuple[float, ...] = (0.0,) * _RATIOS
    """For each odds ratio of the mixture, the sum over checks of ln P - ln P_limit."""

    def __post_init__(self) -> None:
        if not 0 < self.limit < inf or len(self.log_ratios) != _RATIOS:
            raise ValueError(f"no odds ratio of {self.limit:g} with {len(self.log_ratios)} sums")


def observe(state: TwoArms, canary: Counts, control: Counts) -> TwoArms:
    """Answer the state after one more check: what was answered in each arm since the last one, good of total.

    Raises ValueError unless these are whole numbers: fractions of an answer have no such law.
    """
    canary_bad, canary_total = _whole(canary.total - canary.good), _whole(canary.total)
    control_bad, control_total = _whole(control.total - control.good), _whole(control.total)
    table = _Margins(canary_total, control_total, canary_bad + control_bad)
    if table.fewest == table.most:
        return state
    sign = 1 if state.side is Side.ABOVE else -1
    at_limit = table.log_norm(log(state.limit))
    log_ratios = tuple(
        total + canary_bad * sign * psi - (table.log_norm(log(state.limit) + sign * psi) - at_limit)
        for total, psi in zip(state.log_ratios, LOG_RATIOS, strict=True)
    )
    return replace(state, log_ratios=log_ratios)


def log_evidence(state: TwoArms) -> float:
    """Answer the natural log of the evidence that the odds ratio lies on the state's side of its limit."""
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
        """Answer ln of the sum over x of C(canary, x) C(control, bad - x) psi^x."""
        psi, mode = exp(log_psi), self._mode(exp(log_psi))
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
        return _log_choose(self.canary, mode) + _log_choose(self.control, self.bad - mode) + mode * log_psi + log(total)

    def _step(self, x: int, psi: float) -> float:
        """Answer the term at x over that at x - 1."""
        return psi * (self.canary - x + 1) * (self.bad - x + 1) / (x * (self.control - self.bad + x))

    def _mode(self, psi: float) -> int:
        """Answer the x of the greatest term: where the step falls below 1, the root of a quadratic."""
        half = self.control - self.bad + psi * (self.canary + self.bad + 2)
        end = psi * (self.canary + 1) * (self.bad + 1)
        root = 2 * end / (half + sqrt(half * half + 4 * (1 - psi) * end))
        return min(max(int(root), self.fewest), self.most)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _whole(count: float) -> int:
    if abs(count - round(count)) > _WHOLE:
        raise ValueError(f"{count:g} is not a whole number of answers")
    return round(count)
