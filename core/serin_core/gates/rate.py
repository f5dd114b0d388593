"""A gate on one rate: its counts, where they begin, and the earlier counts after which harm may have begun. Pure."""

from typing import Final

from serin_core.counting import Unreadable
from serin_core.evidence import Bound, Counts, Start, judge, keep, needed
from serin_core.gates.check import Check, Judged, shown
from serin_core.status import CountsAt, GateMemory

_NOTHING: Final = CountsAt(check=0, good=0, total=0)
_BEGINNING: Final = CountsAt(check=1, good=0, total=0)


def judge_rate(check: Check, bound: Bound) -> Judged:
    """Judge the rate by all that was counted since its counts began, and by what came after each earlier check."""
    gate, before = check.gate, check.memory
    found = check.reading.of_own(gate.own) if gate.own else check.reading.of(gate.name)
    if isinstance(found, Unreadable):
        return check.without(found)
    memory = _remember(before, found, has_delay=bool(gate.initial_delay))
    zero = memory.zero or _NOTHING
    counts = _over(_since(memory, zero), gate.design_effect)
    # The first check spends its share of the error like any other: it has one start, the beginning.
    starts = [Start(one.check, _over(_since(one, zero), gate.design_effect)) for one in before.starts or (_BEGINNING,)]
    verdict = judge(counts, bound, check.alphas, starts=[one for one in starts if _lies_before(one, counts)])
    return Judged(shown(check.blank, counts, verdict, needed=needed(counts, bound, check.alphas)), memory)


def _since(at: CountsAt | GateMemory, zero: CountsAt) -> Counts:
    good, bad = at.good - zero.good, (at.total - at.good) - (zero.total - zero.good)
    return Counts(max(good, 0.0), max(good, 0.0) + max(bad, 0.0))


def _over(counts: Counts, design_effect: float) -> Counts:
    return Counts(counts.good / design_effect, counts.total / design_effect)


def _lies_before(start: Start, counts: Counts) -> bool:
    """Answer whether counts have only grown since. Shares of users may fall, where one more process counts them."""
    was = start.counts
    return was.good <= counts.good and was.total - was.good <= counts.total - counts.good


def _remember(memory: GateMemory, counts: Counts, *, has_delay: bool) -> GateMemory:
    """Answer the memory after a check. Where no more have been counted, a replica lags behind, and nothing is new."""
    if counts.total <= memory.total and memory.checks:
        return memory
    seen = {"good": counts.good, "total": counts.total}
    if has_delay and memory.zero is None:
        zero = CountsAt(check=1, good=counts.good, total=counts.total)
        return memory.model_copy(update={**seen, "zero": zero, "starts": (zero,)})
    check = memory.checks + 1
    now = CountsAt(check=check + 1, good=counts.good, total=counts.total)
    starts = memory.starts or (_BEGINNING,)
    kept = keep([Start(one.check, Counts(one.good, one.total)) for one in starts], Start(now.check, counts))
    remaining = {one.check for one in kept}
    return memory.model_copy(
        update={**seen, "checks": check, "starts": tuple(one for one in (*starts, now) if one.check in remaining)}
    )
