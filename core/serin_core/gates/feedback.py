"""The feedback gate: rejections in the canary against those of the control group, check by check. Pure.

What was said of answers of this stage since the last check is one check's evidence, whatever the delay with which it
came: both arms have had the same time to answer. A Fail needs no bound: the odds of a rejection are higher in the
canary. A Pass proves that they are below the limit.
"""

from typing import Final

from serin_core.api.gates import GateName
from serin_core.api.status import GateMemory
from serin_core.contract import names
from serin_core.counting import Unreadable
from serin_core.evidence import Counts, Side, Verdict, log_limit
from serin_core.evidence.two_sample import TwoArms, log_evidence, observe
from serin_core.gates.result import Check, GateResult, shown

_NO_CONTROL: Final = Unreadable("NoControl", "nobody of the control group has said anything yet")


def judge_arms(check: Check, *, limit: float) -> GateResult:
    """Answer the gate after one more check, and what it remembers of all of them."""
    parts = check.reading.parts_of(GateName.FEEDBACK)
    canary = parts.get(names.ARM_CANARY) or check.reading.of(GateName.FEEDBACK.value)
    control = parts.get(names.ARM_CONTROL, _NO_CONTROL)
    if isinstance(canary, Unreadable):
        return check.without(canary)
    if isinstance(control, Unreadable):
        return check.without(control)
    memory = _remember(check.memory, canary, control, limit=limit)
    verdict = Verdict.INCONCLUSIVE
    if log_evidence(_harm(memory)) >= log_limit(check.alphas.rollback):
        verdict = Verdict.FAIL
    elif log_evidence(_harmless(memory, limit)) >= log_limit(check.alphas.promote):
        # Without `required` nobody waits for a Pass; that it would be one is shown all the same.
        verdict = Verdict.PASS
    status = shown(check.blank, canary, verdict, needed=None if verdict is Verdict.INCONCLUSIVE else 0)
    return GateResult(status.model_copy(update={"detail": _of_the_other(canary, control)}), memory)


def _remember(memory: GateMemory, canary: Counts, control: Counts, *, limit: float) -> GateMemory:
    """Answer the memory with what was said since the last check. Where less has been counted, nothing is new."""
    gained, other = _gain(canary, memory.good, memory.total), _gain(control, memory.control_good, memory.control_total)
    if gained is None or other is None or not gained.total + other.total:
        return memory
    return memory.model_copy(
        update={
            "good": canary.good,
            "total": canary.total,
            "control_good": control.good,
            "control_total": control.total,
            "checks": memory.checks + 1,
            "log_ratios": observe(_harm(memory), gained, other).log_ratios,
            "log_ratios_below": observe(_harmless(memory, limit), gained, other).log_ratios,
        }
    )


def _gain(counts: Counts, good: float, total: float) -> Counts | None:
    """Answer what was counted since, None where a lagging replica has counted less."""
    more, bad = counts.good - good, (counts.total - counts.good) - (total - good)
    return Counts(more, more + bad) if more >= 0 and bad >= 0 else None


def _harm(memory: GateMemory) -> TwoArms:
    return TwoArms(log_ratios=memory.log_ratios) if memory.log_ratios else TwoArms()


def _harmless(memory: GateMemory, limit: float) -> TwoArms:
    ratios = memory.log_ratios_below
    return TwoArms(limit, Side.BELOW, ratios) if ratios else TwoArms(limit, Side.BELOW)


def _of_the_other(canary: Counts, control: Counts) -> str:
    told = f"control group: {control.good:,.0f} of {control.total:,.0f} were accepted"
    odds, base = _odds_of_rejection(canary), _odds_of_rejection(control)
    return told if not odds or not base else f"{told}; the odds of a rejection are {odds / base:.2f} times theirs"


def _odds_of_rejection(counts: Counts) -> float:
    return (counts.total - counts.good) / counts.good if counts.good else 0.0
