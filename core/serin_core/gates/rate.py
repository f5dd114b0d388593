"""A gate on one rate: its counts, where they begin, and the earlier counts after which harm may have begun. Pure."""

from collections.abc import Sequence
from typing import Final

from serin_core.api.status import CountsAt, GateMemory, GateStatus
from serin_core.counting import Unreadable
from serin_core.evidence import Bound, Counts, Start, Verdict, judge, keep, needed
from serin_core.gates.result import REASONS, Check, GateResult, shown

_BEGINNING: Final = CountsAt(check=1, good=0, total=0)


def judge_rate(check: Check, bound: Bound) -> GateResult:
    """Judge the rate by all that was counted since its counts began, and by what came after each earlier check."""
    gate, before = check.gate, check.memory
    found = check.reading.of_own(gate.own) if gate.own else check.reading.of(gate.name)
    if isinstance(found, Unreadable):
        return check.without(found)
    whole = [Start(one.check, Counts(one.good, one.total)) for one in before.starts or (_BEGINNING,)]
    memory = _remember(before, found, whole, has_delay=bool(gate.initial_delay))
    if memory is before and check.before is not None and _says_the_same(check.before, check.blank):
        # Nothing new was counted: the same counts have the same verdict.
        return GateResult(check.before, memory)
    counts = _evidence(memory, memory.zero, gate.design_effect)
    # The first check spends its share of the error like any other: it has one start, the beginning.
    is_plain = memory.zero is None and gate.design_effect == 1
    starts = whole if is_plain else [_adjusted(one, memory.zero, gate.design_effect) for one in whole]
    verdict = judge(counts, bound, check.alphas, starts=[one for one in starts if _lies_before(one, counts)])
    more = needed(counts, bound, check.alphas) if verdict is Verdict.INCONCLUSIVE else 0
    return GateResult(shown(check.blank, counts, verdict, needed=more), memory)


def _says_the_same(before: GateStatus, blank: GateStatus) -> bool:
    """Answer whether a gate had been judged, and by the same limits."""
    limits = ("at_least", "at_most", "within", "role")
    return before.reason in REASONS and all(getattr(before, name) == getattr(blank, name) for name in limits)


def _adjusted(start: Start, zero: CountsAt | None, design_effect: float) -> Start:
    at = CountsAt(check=start.check, good=start.counts.good, total=start.counts.total)
    return Start(start.check, _evidence(at, zero, design_effect))


def _evidence(at: CountsAt | GateMemory, zero: CountsAt | None, design_effect: float) -> Counts:
    """Answer what counts as evidence: since counts began, divided by the design effect."""
    if zero is None:
        return Counts(at.good / design_effect, at.total / design_effect)
    good, bad = max(at.good - zero.good, 0.0), max((at.total - at.good) - (zero.total - zero.good), 0.0)
    return Counts(good / design_effect, (good + bad) / design_effect)


def _lies_before(start: Start, counts: Counts) -> bool:
    """Answer whether counts have only grown since. Shares of users may fall, where one more process counts them."""
    was = start.counts
    return was.good <= counts.good and was.total - was.good <= counts.total - counts.good


def _remember(memory: GateMemory, counts: Counts, whole: Sequence[Start], *, has_delay: bool) -> GateMemory:
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
    remaining = {one.check for one in keep(whole, Start(now.check, counts))}
    return memory.model_copy(
        update={**seen, "checks": check, "starts": tuple(one for one in (*starts, now) if one.check in remaining)}
    )
