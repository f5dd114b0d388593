"""Gates of one simulated stage. Most checks cannot move the rollout; `decide` is not called for them.

The states are those that the operator evaluates (serin_core.gates), kept in memory instead of in a status.
`can_move` may return True where nothing moves, never False where something would.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from serin_core.api.gate_status import GateMemory, GateRole
from serin_core.api.spec import SuggestionModelSpec
from serin_core.contract import names
from serin_core.contract.gate_catalog import AsReported
from serin_core.evidence.bounds import Alphas
from serin_core.evidence.counts import Counts
from serin_core.gates.active import ActiveGate, active_gates, alpha_fail
from serin_core.gates.compared import ComparedState
from serin_core.gates.evaluation import GateState, criterion_of, gate_state
from serin_core.gates.per_class import PerClassState
from serin_core.gates.rate import RateState
from serin_core.rollout.canary_steps import soak_of

Pairs = Mapping[str, tuple[float, float]]
"""Good and total since the stage began, by key of `StageCounts`; custom gates by their name."""
_NONE: Final = timedelta()
_SOONEST: Final = timedelta(milliseconds=100)
_SIDES: Final = names.ARM_CANARY, names.ARM_CONTROL


class StageChecks:
    """States of all gates from the beginning of one stage."""

    def __init__(
        self, spec: SuggestionModelSpec, percent: float, began: datetime, expected_low_confidence: float
    ) -> None:
        self._spec, self._began = spec, began
        self._soak = soak_of(spec.canary, percent=percent)
        alphas = Alphas(promote=spec.analysis.alpha_promote, rollback=alpha_fail(spec))
        self._states: list[tuple[ActiveGate, GateState]] = []
        for gate in active_gates(spec, percent=percent):
            criterion = criterion_of(gate, expected_low_confidence)
            if not isinstance(criterion, AsReported):
                self._states.append((gate, gate_state(gate, criterion, alphas)))
        self._able_to_fail = [one for one in self._states if one[0].role is not GateRole.DRY_RUN]
        self._acting = [one for one in self._states if one[0].role is GateRole.ACTING]
        self.has_counts = False

    def can_move(self, found: Pairs, now: datetime) -> bool:
        """Return whether a check on these counts may move the rollout."""
        age = now - self._began
        if age >= self._spec.analysis.max_duration:
            return True
        for gate, state in self._able_to_fail:
            if age < gate.initial_delay:
                continue
            if isinstance(state, RateState):  # inlined: nearly all are
                pair = found.get(gate.name)
                if pair is not None and state.fails(*pair):
                    return True
            elif (counts := _counts_of(gate, state, found)) is not None and state.fails(*counts):
                return True
        if age < self._soak:
            return False
        for place, (gate, state) in enumerate(self._acting):
            counts = None if age < gate.initial_delay else _counts_of(gate, state, found)
            if counts is None or not state.passes(*counts):
                # Evaluated first at the next check: it will probably not pass then either.
                self._acting.insert(0, self._acting.pop(place))
                return False
        return True

    def record(self, found: Pairs, now: datetime) -> None:
        """Keep the counts of a check."""
        self.has_counts = True
        age = now - self._began
        for gate, state in self._states:
            if age >= gate.initial_delay and (counts := _counts_of(gate, state, found)) is not None:
                state.record(*counts)

    def memory(self) -> dict[str, GateMemory]:
        """Return the evidence of every gate as the status would hold it."""
        return {gate.name: state.memory(GateMemory(bound=str(gate.criterion))) for gate, state in self._states}

    def next_check(self, now: datetime) -> timedelta:
        """Return when `decide` would check the stage again: after the interval, or when the soak ends."""
        left = self._soak - (now - self._began)
        interval = self._spec.analysis.interval
        return min(interval, max(left, _SOONEST)) if left > _NONE else interval


def _counts_of(gate: ActiveGate, state: GateState, found: Pairs) -> tuple[Any, ...] | None:
    """Return what the methods of a state are given: good and total, both arms, or all classes. None without counts."""
    match state:
        case RateState():
            return found.get(gate.name)
        case ComparedState():
            canary, control = (found.get(f"{gate.name}/{side}") for side in _SIDES)
            return None if canary is None or control is None else (canary, control)
        case PerClassState():
            prefix = f"{gate.name}/"
            return ({key: Counts(*pair) for key, pair in found.items() if key.startswith(prefix)},)
