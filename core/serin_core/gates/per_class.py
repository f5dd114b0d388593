"""The gate by class: each class judged by itself, and all of them together. Pure.

Any class that fails, fails the gate; the error of a Fail is shared out over all classes, for each may fail by chance
(Bonferroni). A Pass needs every class that has traffic, each at the full error: all of them must hold. A class without
traffic holds nobody up, and is named.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from serin_core.api.gates import GateName
from serin_core.api.status import GateStatus
from serin_core.counting import Unreadable
from serin_core.evidence import Alphas, Bound, Counts, Verdict, judge, needed
from serin_core.gates.result import Check, GateResult, shown

_NAMED: Final = 5


def judge_classes(check: Check, bound: Bound) -> GateResult:
    """Judge every class by its own counts."""
    parts = check.reading.parts_of(GateName.PER_CLASS) or {"": check.reading.of(GateName.PER_CLASS.value)}
    broken = next((found for found in parts.values() if isinstance(found, Unreadable)), None)
    if broken is not None:
        return check.without(broken)
    classes = {label: found for label, found in parts.items() if isinstance(found, Counts)}
    alphas = Alphas(promote=check.alphas.promote, rollback=check.alphas.rollback / len(classes))
    verdicts = {label: judge(counts, bound, alphas) for label, counts in classes.items() if counts.total}
    whole = Counts(sum(one.good for one in classes.values()), sum(one.total for one in classes.values()))
    verdict = _combined(list(verdicts.values()))
    waiting = [classes[label] for label, one in verdicts.items() if one is Verdict.INCONCLUSIVE]
    more = None if verdict is Verdict.INCONCLUSIVE else 0
    if verdict is Verdict.INCONCLUSIVE and waiting:
        # Of that class that needs the most, and at its share of the traffic.
        wanted = [(needed(counts, bound, alphas), counts) for counts in waiting]
        scaled = [None if n is None else round(n * whole.total / counts.total) for n, counts in wanted]
        more = None if None in scaled else max(n for n in scaled if n is not None)
    status = shown(check.blank, whole, verdict, needed=more)
    return GateResult(_with_detail(status, classes, verdicts), check.memory)


def _combined(verdicts: Sequence[Verdict]) -> Verdict:
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    return Verdict.PASS if verdicts and set(verdicts) == {Verdict.PASS} else Verdict.INCONCLUSIVE


def _with_detail(status: GateStatus, classes: Mapping[str, Counts], verdicts: Mapping[str, Verdict]) -> GateStatus:
    parts = []
    for verdict, word in ((Verdict.FAIL, "failing"), (Verdict.INCONCLUSIVE, "no verdict yet")):
        found = sorted(
            (label for label, one in verdicts.items() if one is verdict), key=lambda one: _rate(classes[one])
        )
        if found:
            told = [f"{label} {100 * _rate(classes[label]):.1f} % of {classes[label].total:.0f}" for label in found]
            parts.append(f"{word}: {_some(told)}")
    silent = sorted(label for label, counts in classes.items() if not counts.total)
    if silent:
        parts.append(f"no traffic: {_some(silent)}")
    return status.model_copy(update={"detail": "; ".join(parts)})


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _rate(counts: Counts) -> float:
    return counts.good / counts.total if counts.total else 0.0
