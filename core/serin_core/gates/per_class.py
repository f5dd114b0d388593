"""The perClass gate: each class evaluated by itself.

One class that fails makes the gate fail; the error probability of Fail is divided by the number of classes
(Bonferroni). Pass needs every class that has traffic, each at the full error probability. A class without traffic is
named and does not delay the gate.
"""

from collections.abc import Mapping
from typing import Final

from serin_core.api.formatting import listed
from serin_core.api.gate_status import GateMemory
from serin_core.evidence.bounds import Alphas, Bound
from serin_core.evidence.counts import Counts, Verdict
from serin_core.evidence.sample_size import needed
from serin_core.evidence.verdict import judge
from serin_core.gates.formatting import count, percent
from serin_core.gates.result import Evaluation

_NAMED: Final = 5


class PerClassState:
    """Evidence of the perClass gate. It needs nothing of earlier checks."""

    def __init__(self, bound: Bound, alphas: Alphas) -> None:
        self._bound, self._alphas = bound, alphas

    def fails(self, classes: Mapping[str, Counts]) -> bool:
        """Return whether a class fails."""
        return _combined(self._verdicts(classes)) is Verdict.FAIL

    def passes(self, classes: Mapping[str, Counts]) -> bool:
        """Return whether every class that has traffic passes."""
        return _combined(self._verdicts(classes)) is Verdict.PASS

    def record(self, classes: Mapping[str, Counts]) -> None:
        """Keep nothing."""

    def memory(self, before: GateMemory) -> GateMemory:
        """Return what a later check needs: nothing is added."""
        return before

    def evaluate(self, classes: Mapping[str, Counts]) -> Evaluation:
        """Evaluate all classes and describe those without a Pass."""
        verdicts = self._verdicts(classes)
        verdict = _combined(verdicts)
        return Evaluation(
            counts=Counts(sum(one.good for one in classes.values()), sum(one.total for one in classes.values())),
            verdict=verdict,
            needed=self._needed(classes, verdicts) if verdict is Verdict.INCONCLUSIVE else 0,
            detail=_detail(classes, verdicts),
        )

    def _each(self, classes: Mapping[str, Counts]) -> Alphas:
        """Return the error probabilities of each of these classes."""
        return Alphas(promote=self._alphas.promote, rollback=self._alphas.rollback / max(len(classes), 1))

    def _verdicts(self, classes: Mapping[str, Counts]) -> dict[str, Verdict]:
        """Return the verdict of every class that has traffic."""
        alphas = self._each(classes)
        return {label: judge(counts, self._bound, alphas) for label, counts in classes.items() if counts.total}

    def _needed(self, classes: Mapping[str, Counts], verdicts: Mapping[str, Verdict]) -> int | None:
        """Return how many requests in all the slowest class needs, at its share of the traffic."""
        alphas, total = self._each(classes), sum(counts.total for counts in classes.values())
        waiting = [classes[label] for label, one in verdicts.items() if one is Verdict.INCONCLUSIVE]
        found = [(needed(counts, self._bound, alphas), counts) for counts in waiting]
        scaled = [None if more is None else round(more * total / counts.total) for more, counts in found]
        return None if None in scaled else max((more for more in scaled if more is not None), default=None)


def _combined(verdicts: Mapping[str, Verdict]) -> Verdict:
    found = set(verdicts.values())
    if Verdict.FAIL in found:
        return Verdict.FAIL
    return Verdict.PASS if found == {Verdict.PASS} else Verdict.INCONCLUSIVE


def _detail(classes: Mapping[str, Counts], verdicts: Mapping[str, Verdict]) -> str:
    parts = []
    for verdict, title in ((Verdict.FAIL, "failing"), (Verdict.INCONCLUSIVE, "undecided")):
        labels = (label for label, one in verdicts.items() if one is verdict)
        found = [
            f"{label} {percent(_rate(classes[label]))} of {count(classes[label].total)}"
            for label in sorted(labels, key=lambda one: _rate(classes[one]))
        ]
        if found:
            parts.append(f"{title}: {listed(found, _NAMED)}")
    silent = sorted(label for label, counts in classes.items() if not counts.total)
    if silent:
        parts.append(f"no traffic: {listed(silent, _NAMED)}")
    return "; ".join(parts)


def _rate(counts: Counts) -> float:
    return counts.good / counts.total if counts.total else 0.0
