"""All gates of one stage, look by look: whether the next look must be made. See watching.py for the proof.

Never decides: `must_be_looked_at` may say yes too often, never no too often.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from math import exp, inf, log
from typing import Final

from serin_core.api.gates import GateName
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import GateMemory, GateRole
from serin_core.contract.gate_catalog import LOW_CONFIDENCE_TOLERANCE, AsReported, NotWorseThanControl
from serin_core.evidence import Alphas, AtLeast, AtMost, Bound, Counts, Side, Verdict, Within, judge
from serin_core.evidence.two_sample import TwoArms, observe
from serin_core.gates import ActiveGate, active_gates, alpha_fail
from serin_core.rollout.canary_steps import soak_of
from serin_simulation.watching import RateWatch

Pairs = Mapping[str, tuple[float, float]]
"""Good and total since the stage began, by key of `StageCounts`; own gates by their name."""
_SLACK: Final = 1e-6
_NONE: Final = timedelta()
_SOONEST: Final = timedelta(milliseconds=100)


@lru_cache(maxsize=4096)
def _gain(side: Side, limit: float, canary: tuple[int, int], control: tuple[int, int]) -> tuple[float, ...]:
    """Answer what one check adds to the log ratios of two arms; counts are (good, total)."""
    return observe(TwoArms(limit, side), Counts(*canary), Counts(*control)).log_ratios


@dataclass(slots=True)
class ArmsWatch:
    """The feedback gate: canary against control, check by check."""

    limit: float
    alphas: Alphas
    harm: list[float] = field(default_factory=list)
    harmless: list[float] = field(default_factory=list)
    """Summed up to `summed`: nobody asks for it before a Pass can matter."""
    summed: int = 0
    gains: list[tuple[tuple[int, int], tuple[int, int]]] = field(default_factory=list)
    """What each check brought, canary and control."""
    seen: tuple[int, int, int, int] = (0, 0, 0, 0)
    before: tuple[tuple[int, int, int, int], tuple[float, ...], int] = ((0, 0, 0, 0), (), 0)

    def see(self, canary: tuple[float, float] | None, control: tuple[float, float] | None) -> None:
        """Take in one look. The sums are those of gates/arms.py, up to rounding."""
        self.before = (self.seen, tuple(self.harm), len(self.gains))
        if canary is None or control is None:
            return
        now = (round(canary[0]), round(canary[1]), round(control[0]), round(control[1]))
        gained = (now[0] - self.seen[0], now[1] - self.seen[1])
        other = (now[2] - self.seen[2], now[3] - self.seen[3])
        if not gained[1] + other[1]:
            return
        self.seen = now
        self.gains.append((gained, other))
        self.harm = _add(self.harm, _gain(Side.ABOVE, 1.0, gained, other))

    def fails(self) -> bool:
        """Tell whether the gate may Fail at the last look."""
        return bool(self.harm) and _log_mean(self.harm) >= -log(self.alphas.rollback) - _SLACK

    def passes(self) -> bool:
        """Tell whether the gate may Pass at the last look."""
        self._sum_up_to(len(self.gains))
        return bool(self.harmless) and _log_mean(self.harmless) >= -log(self.alphas.promote) - _SLACK

    def memory(self, bound: str) -> GateMemory:
        """Answer what the gate remembered before the last look."""
        (good, total, control_good, control_total), harm, checks = self.before
        self._sum_up_to(checks)
        harmless = self.harmless
        if self.summed > checks:
            harmless = [] if not checks else [a - b for a, b in zip(harmless, self._harmless(checks), strict=True)]
        return GateMemory(
            bound=bound,
            good=good,
            total=total,
            control_good=control_good,
            control_total=control_total,
            checks=checks,
            log_ratios=harm,
            log_ratios_below=tuple(harmless),
        )

    def _sum_up_to(self, checks: int) -> None:
        while self.summed < checks:
            self.harmless = _add(self.harmless, self._harmless(self.summed))
            self.summed += 1

    def _harmless(self, check: int) -> tuple[float, ...]:
        return _gain(Side.BELOW, self.limit, *self.gains[check])


@dataclass(slots=True)
class ClassesWatch:
    """The gate by class: every class by all its counts."""

    bound: Bound
    alphas: Alphas
    classes: dict[str, Counts] = field(default_factory=dict)

    def see(self, found: Mapping[str, tuple[float, float]]) -> None:
        """Take in one look."""
        self.classes = {label: Counts(*pair) for label, pair in found.items()}

    def verdicts(self) -> list[Verdict]:
        """Answer the verdict of every class with traffic."""
        if not self.classes:
            return []
        alphas = Alphas(promote=self.alphas.promote, rollback=self.alphas.rollback / len(self.classes))
        return [judge(counts, self.bound, alphas) for counts in self.classes.values() if counts.total]


Watch = RateWatch | ArmsWatch | ClassesWatch


@dataclass(slots=True)
class StageWatch:
    """One stage from its beginning. `memory` and `must_be_looked_at` speak of the last look that was seen."""

    spec: SuggestionModelSpec
    percent: float
    began: datetime
    expected_low_confidence: float
    gates: tuple[ActiveGate, ...] = ()
    watches: dict[str, Watch] = field(default_factory=dict)
    able_to_fail: tuple[ActiveGate, ...] = ()
    acting: list[ActiveGate] = field(default_factory=list)
    soak: timedelta = timedelta()
    waits_for: str = ""
    """The acting gate that did not Pass when last asked."""
    has_seen: bool = False

    def __post_init__(self) -> None:
        alphas = Alphas(promote=self.spec.analysis.alpha_promote, rollback=alpha_fail(self.spec))
        self.gates = active_gates(self.spec, percent=self.percent)
        self.able_to_fail = tuple(gate for gate in self.gates if gate.role is not GateRole.DRY_RUN)
        self.acting = [gate for gate in self.gates if gate.role is GateRole.ACTING]
        self.soak = soak_of(self.spec.canary, percent=self.percent)
        for gate in self.gates:
            self.watches[gate.name] = self._watch(gate, alphas)

    def see(self, found: Pairs, now: datetime) -> None:
        """Take in one look at counts."""
        self.has_seen = True
        age = now - self.began
        for gate in self.gates:
            if age < gate.initial_delay:
                continue
            watch = self.watches[gate.name]
            if isinstance(watch, RateWatch):  # first, for it is the usual one
                watch.see(found.get(gate.name))
                continue
            match watch:
                case ArmsWatch():
                    watch.see(*(found.get(f"{gate.name}/{arm}") for arm in ("canary", "control")))
                case ClassesWatch():
                    prefix = f"{gate.name}/"
                    watch.see({key: pair for key, pair in found.items() if key.startswith(prefix)})

    def memory(self) -> dict[str, GateMemory]:
        """Answer what every gate remembered before the last look."""
        kept = {}
        for gate in self.gates:
            match self.watches[gate.name]:
                case RateWatch() as watch:
                    kept[gate.name] = watch.memory(str(gate.criterion))
                case ArmsWatch() as watch:
                    kept[gate.name] = watch.memory(str(gate.criterion))
                case ClassesWatch():
                    kept[gate.name] = GateMemory(bound=str(gate.criterion))
        return kept

    def must_be_looked_at(self, now: datetime) -> bool:
        """Tell whether this look, of which all is seen, may move the rollout."""
        age = now - self.began
        if age >= self.spec.analysis.max_duration:
            return True
        for gate in self.able_to_fail:
            if age >= gate.initial_delay and self._fails(gate):
                return True
        if age < self.soak:
            return False
        # The one that did not pass last is asked first: it is likely not to pass now.
        self.acting.sort(key=lambda gate: gate.name != self.waits_for)
        for gate in self.acting:
            if age < gate.initial_delay or not self._passes(gate):
                self.waits_for = gate.name
                return False
        return True

    def next_look(self, now: datetime) -> timedelta:
        """Answer when decide would look again at a stage that goes on: at the interval, or when the soak ends."""
        left = self.soak - (now - self.began)
        interval = self.spec.analysis.interval
        return min(interval, max(left, _SOONEST)) if left > _NONE else interval

    def _fails(self, gate: ActiveGate) -> bool:
        watch = self.watches[gate.name]
        return Verdict.FAIL in watch.verdicts() if isinstance(watch, ClassesWatch) else watch.fails()

    def _passes(self, gate: ActiveGate) -> bool:
        match self.watches[gate.name]:
            case ClassesWatch() as watch:
                verdicts = watch.verdicts()
                return bool(verdicts) and set(verdicts) == {Verdict.PASS}
            case watch:
                return watch.passes()

    def _watch(self, gate: ActiveGate, alphas: Alphas) -> Watch:
        delay = bool(gate.initial_delay)
        match gate.criterion:
            case NotWorseThanControl(odds_ratio=limit):
                return ArmsWatch(limit, alphas)
            case AsReported(margin=margin):
                most = AtMost(min(self.expected_low_confidence + LOW_CONFIDENCE_TOLERANCE, 1.0), margin)
                return RateWatch(most, alphas, gate.design_effect, has_delay=delay)
            case AtLeast() | AtMost() | Within() as bound:
                if gate.name == GateName.PER_CLASS:
                    return ClassesWatch(bound, alphas)
                return RateWatch(bound, alphas, gate.design_effect, has_delay=delay)


def _add(sums: list[float], gain: tuple[float, ...]) -> list[float]:
    return [one + more for one, more in zip(sums, gain, strict=True)] if sums else list(gain)


def _log_mean(values: list[float]) -> float:
    greatest = max(values, default=-inf)
    return greatest + log(sum(exp(value - greatest) for value in values) / len(values))
