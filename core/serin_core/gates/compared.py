"""State of a gate that compares the canary with the control group: feedback, and custom gates with `control`.

What was counted since the last check is the evidence of one check, and both groups have had the same time. Pass proves
that the odds of a bad outcome in the canary are below the limit. Fail proves that they are above `fails_above`: 1 for
feedback, so that any harm fails, and the limit itself for a custom gate.
"""

from typing import Final

from serin_core.api.gate_status import GateMemory
from serin_core.evidence.bounds import Alphas
from serin_core.evidence.counts import Counts, Verdict
from serin_core.evidence.rate import Side
from serin_core.evidence.two_sample import TwoArms, log_evidence, observe
from serin_core.evidence.verdict import log_limit

Pair = tuple[float, float]
"""Cumulative good and total of one arm."""
_NOTHING: Final = (0.0, 0.0)


class ComparedState:
    """Evidence of a comparison, check by check: `fails` and `passes` evaluate counts, `record` keeps them."""

    def __init__(
        self, limit: float, alphas: Alphas, memory: GateMemory | None = None, *, fails_above: float = 1.0
    ) -> None:
        memory = memory or GateMemory()
        self._fail_limit, self._pass_limit = log_limit(alphas.rollback), log_limit(alphas.promote)
        self._checks = memory.checks
        self._canary: Pair = (memory.good, memory.total)
        self._control: Pair = (memory.control_good, memory.control_total)
        above = memory.log_ratios
        self._harm = TwoArms(fails_above, Side.ABOVE, above) if above else TwoArms(fails_above)
        below = memory.log_ratios_below
        self._harmless = TwoArms(limit, Side.BELOW, below) if below else TwoArms(limit, Side.BELOW)
        self._next: tuple[Pair, Pair, TwoArms, TwoArms] = (_NOTHING, _NOTHING, self._harm, self._harmless)
        """The last counts that were evaluated, and the evidence with them."""

    def fails(self, canary: Pair, control: Pair) -> bool:
        """Return whether cumulative counts prove that bad outcomes are likelier in the canary than the gate allows."""
        return log_evidence(self._with(canary, control)[0]) >= self._fail_limit

    def passes(self, canary: Pair, control: Pair) -> bool:
        """Return whether cumulative counts prove that bad outcomes are not much likelier in the canary."""
        return log_evidence(self._with(canary, control)[1]) >= self._pass_limit

    def verdict(self, canary: Pair, control: Pair) -> Verdict:
        """Evaluate cumulative counts. Without `required` no stage waits for the Pass of feedback; it is still shown."""
        if self.fails(canary, control):
            return Verdict.FAIL
        return Verdict.PASS if self.passes(canary, control) else Verdict.INCONCLUSIVE

    def record(self, canary: Pair, control: Pair) -> None:
        """Keep the counts of a check; nothing changes unless something new was counted."""
        if self._gains(canary, control) is None:
            return
        self._harm, self._harmless = self._with(canary, control)
        self._canary, self._control = canary, control
        self._checks += 1

    def memory(self, before: GateMemory) -> GateMemory:
        """Return what a later check needs, as it is kept in the status."""
        return GateMemory(
            bound=before.bound,
            judged_by=before.judged_by,
            edits=before.edits,
            good=self._canary[0],
            total=self._canary[1],
            control_good=self._control[0],
            control_total=self._control[1],
            checks=self._checks,
            log_ratios=self._harm.log_ratios if self._checks else (),
            log_ratios_below=self._harmless.log_ratios if self._checks else (),
        )

    def _with(self, canary: Pair, control: Pair) -> tuple[TwoArms, TwoArms]:
        known_canary, known_control, harm, harmless = self._next
        if (canary, control) != (known_canary, known_control):
            gains = self._gains(canary, control)
            harm, harmless = self._harm, self._harmless
            if gains is not None:
                harm, harmless = observe(harm, *gains), observe(harmless, *gains)
            self._next = (canary, control, harm, harmless)
        return harm, harmless

    def _gains(self, canary: Pair, control: Pair) -> tuple[Counts, Counts] | None:
        """Return what was counted since the last check, None if nothing, or if a lagging replica shows less."""
        gained, other = _gain(canary, self._canary), _gain(control, self._control)
        if gained is None or other is None or not gained.total + other.total:
            return None
        return gained, other


def _gain(now: Pair, before: Pair) -> Counts | None:
    good, bad = now[0] - before[0], (now[1] - now[0]) - (before[1] - before[0])
    return Counts(good, good + bad) if good >= 0 and bad >= 0 else None
