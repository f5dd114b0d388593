"""Evaluation of all gates of a stage at one check, and what each gate keeps for the next one.

A gate whose counts cannot be read is Inconclusive, with the reason, and keeps its evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import exp
from typing import Final

from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import GateMemory, GateStatus, LateHarm
from serin_core.api.spec import SuggestionModelSpec
from serin_core.contract import names
from serin_core.contract.gate_catalog import (
    LOW_CONFIDENCE_TOLERANCE,
    AsReported,
    Criterion,
    NotWorseThanControl,
    built_in,
)
from serin_core.contract.pod_report import RunQuality
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import Reading, StageCounts
from serin_core.evidence import change_point
from serin_core.evidence.bounds import Alphas, AtMost, Bound
from serin_core.evidence.counts import Counts, Verdict
from serin_core.evidence.sample_size import needed
from serin_core.gates.active import ActiveGate, active_gates, alpha_fail
from serin_core.gates.compared import ComparedState
from serin_core.gates.formatting import count
from serin_core.gates.per_class import PerClassState
from serin_core.gates.rate import RateState
from serin_core.gates.result import REASONS, Evaluation, GateResult, PreviousCheck, gate_status

_NO_MEMORY: Final = GateMemory()
_NO_REPORT: Final = Unreadable("NoReport", "no pod has reported the run's training report yet")
_TOO_EARLY: Final = Unreadable("InitialDelay", "its initialDelay is not over")
_NO_CONTROL: Final = Unreadable("NoControl", "there is no feedback from the control group yet")
GateState = RateState | ComparedState | PerClassState
"""Evidence of one gate in a stage."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of one run."""

    percent: float
    started_at: datetime
    expected_low_confidence: float | None
    """Share of low-confidence answers that the run's report states; None if no pod has reported it."""


def expected_low_confidence(
    quality: RunQuality | None, thresholds: Mapping[str, float], default: float
) -> float | None:
    """Return the share of answers under their threshold that a report states, None if it states nothing.

    Between two thresholds of the report the stricter one counts: it states a smaller coverage.
    """
    if quality is None or not quality.coverage:
        return None
    covered = 0.0
    for label, by_class in quality.coverage.items():
        wanted = thresholds.get(label, default)
        at = [(float(threshold), found.coverage) for threshold, found in by_class.by_threshold.items()]
        covered += by_class.share * next((share for threshold, share in sorted(at) if threshold >= wanted - 1e-9), 0.0)
    return min(max(1.0 - covered, 0.0), 1.0)


def criterion_of(gate: ActiveGate, expected: float | None) -> Criterion:
    """Return the criterion of a gate with the run's report applied, unchanged if the report is not known."""
    if not isinstance(gate.criterion, AsReported) or expected is None:
        return gate.criterion
    return AtMost(min(expected + LOW_CONFIDENCE_TOLERANCE, 1.0), gate.criterion.margin)


def gate_state(
    gate: ActiveGate, criterion: Bound | NotWorseThanControl, alphas: Alphas, memory: GateMemory | None = None
) -> GateState:
    """Return the state of a gate: at the beginning of a stage, or as it was kept after an earlier check."""
    if isinstance(criterion, NotWorseThanControl):
        return ComparedState(criterion.odds_ratio, alphas, memory, fails_above=criterion.fails_above)
    if gate.name == GateName.PER_CLASS:
        return PerClassState(criterion, alphas)
    delayed = bool(gate.initial_delay)
    return RateState(criterion, alphas, design_effect=gate.design_effect, has_delay=delayed, memory=memory)


def judge_stage(
    spec: SuggestionModelSpec, stage: Stage, reading: Reading, last: PreviousCheck, *, now: datetime
) -> tuple[GateResult, ...]:
    """Evaluate every gate of a stage on what was read."""
    results, whole = [], Alphas(promote=spec.analysis.alpha_promote, rollback=alpha_fail(spec))
    for gate in active_gates(spec, percent=stage.percent):
        memory = last.memory.get(gate.name, _NO_MEMORY)
        bound = str(gate.criterion)
        alphas = _after_edits(whole, memory.edits + (memory.bound not in ("", bound)))
        shown = last.gates.get(gate.name) if memory.judged_by == str(alphas) else None
        memory = memory if memory.bound else memory.with_bound(bound)
        if isinstance(reading, Unreadable):
            results.append(GateResult(gate_status(gate, gate.criterion, reading), memory))
        elif now < stage.started_at + gate.initial_delay:
            results.append(GateResult(gate_status(gate, gate.criterion, _TOO_EARLY), memory))
        else:
            check = _Check(gate, criterion_of(gate, stage.expected_low_confidence), reading, memory, alphas, shown)
            done = check.evaluate()
            results.append(GateResult(done.gate, done.memory.with_alphas(str(alphas))))
    return tuple(results)


def edited(spec: SuggestionModelSpec, *, percent: float, memory: Mapping[str, GateMemory]) -> tuple[ActiveGate, ...]:
    """Return the gates whose bound was changed since the present stage last evaluated them."""
    gates = active_gates(spec, percent=percent)
    return tuple(gate for gate in gates if memory.get(gate.name, _NO_MEMORY).bound not in ("", str(gate.criterion)))


def rebound(gate: ActiveGate, memory: GateMemory) -> GateMemory:
    """Return the memory of a gate after an edit of its bound."""
    bound, criterion = str(gate.criterion), gate.criterion
    was_compared = memory.bound.startswith(NotWorseThanControl.__name__)
    if was_compared is not isinstance(criterion, NotWorseThanControl):
        return memory.restarted(bound)
    has_limit = isinstance(criterion, NotWorseThanControl) and criterion.fails_above != 1
    return memory.rebound(bound, keeps_harm=not has_limit)


def _after_edits(whole: Alphas, edits: int) -> Alphas:
    """Return the error probabilities after a number of changes of the bound in one stage: halved each time.

    All verdicts of the stage together then err at most twice as often as one would.
    """
    return Alphas(promote=whole.promote / 2**edits, rollback=whole.rollback / 2**edits)


@dataclass(frozen=True, slots=True)
class _Check:
    """One gate at one check."""

    gate: ActiveGate
    criterion: Criterion
    reading: StageCounts
    memory: GateMemory
    alphas: Alphas
    before: GateStatus | None
    """Its result at the check before, if it was evaluated with the same error probabilities."""

    def evaluate(self) -> GateResult:
        if isinstance(self.criterion, AsReported):
            return self._result(_NO_REPORT)
        match gate_state(self.gate, self.criterion, self.alphas, self.memory):
            case RateState() as state:
                key = self.gate.custom_key
                return self._rate(state, self.reading.of_custom(key) if key else self.reading.of(self.gate.name))
            case ComparedState() as state:
                return self._compared(state)
            case PerClassState() as state:
                return self._per_class(state)

    def _rate(self, state: RateState, found: Counts | Unreadable) -> GateResult:
        if isinstance(found, Unreadable):
            return self._result(found)
        good, total = found.good, found.total
        if not state.is_new(total) and self.before is not None and self._is_comparable(self.before):
            # Nothing new was counted: the same counts have the same verdict.
            return GateResult(self.before, self.memory)
        counts, verdict = state.evidence(good, total), state.verdict(good, total)
        alpha, late = self.alphas.promote, None
        if verdict is Verdict.FAIL:
            start, claim = state.harm(good, total)
            alpha, since = exp(-claim.limit), change_point.since(start, counts)
            late = LateHarm(check=start[0], good=since.good, total=since.total) if start[0] > 1 else None
        more = needed(counts, state.bound, self.alphas) if verdict is Verdict.INCONCLUSIVE else 0
        state.record(good, total)
        evaluation = Evaluation(counts=counts, verdict=verdict, needed=more, alpha=alpha, late_harm=late)
        return self._result(evaluation, state.memory(self.memory))

    def _arms(self) -> tuple[Counts | Unreadable, Counts | Unreadable]:
        """Return the counts of the canary and of the control group."""
        if self.gate.control_key:
            return self.reading.of_custom(self.gate.custom_key), self.reading.of_custom(self.gate.control_key)
        parts = self.reading.parts_of(GateName.FEEDBACK)
        canary = parts.get(names.ARM_CANARY) or self.reading.of(GateName.FEEDBACK.value)
        return canary, parts.get(names.ARM_CONTROL, _NO_CONTROL)

    def _compared(self, state: ComparedState) -> GateResult:
        canary, control = self._arms()
        if isinstance(canary, Unreadable):
            return self._result(canary)
        if isinstance(control, Unreadable):
            return self._result(control)
        arms = (canary.good, canary.total), (control.good, control.total)
        verdict = state.verdict(*arms)
        state.record(*arms)
        more = None if verdict is Verdict.INCONCLUSIVE else 0
        evaluation = Evaluation(
            counts=canary, verdict=verdict, needed=more, detail=_of_control(self.gate.name, canary, control)
        )
        return self._result(evaluation, state.memory(self.memory))

    def _per_class(self, state: PerClassState) -> GateResult:
        found = self.reading.parts_of(GateName.PER_CLASS) or {"": self.reading.of(GateName.PER_CLASS.value)}
        broken = next((counts for counts in found.values() if isinstance(counts, Unreadable)), None)
        if broken is not None:
            return self._result(broken)
        return self._result(state.evaluate({label: one for label, one in found.items() if isinstance(one, Counts)}))

    def _is_comparable(self, before: GateStatus) -> bool:
        """Return whether the gate had been evaluated, by the same limits."""
        blank = gate_status(self.gate, self.criterion, _TOO_EARLY)
        return before.reason in REASONS and (before.at_least, before.at_most, before.within, before.role) == (
            blank.at_least,
            blank.at_most,
            blank.within,
            blank.role,
        )

    def _result(self, found: Evaluation | Unreadable, memory: GateMemory | None = None) -> GateResult:
        return GateResult(gate_status(self.gate, self.criterion, found), memory or self.memory)


def _of_control(name: str, canary: Counts, control: Counts) -> str:
    gate = built_in(name)
    good, bad = ("are good", "a bad event") if gate is None else (gate.phrase, "a rejection")
    text = f"control group: {count(control.good)} of {count(control.total)} {good}"
    odds, base = _odds_of_bad(canary), _odds_of_bad(control)
    return text if not odds or not base else f"{text}; the odds of {bad} are {odds / base:.2f} times theirs"


def _odds_of_bad(counts: Counts) -> float:
    return (counts.total - counts.good) / counts.good if counts.good else 0.0
