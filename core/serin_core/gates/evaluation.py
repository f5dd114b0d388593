"""What the counts of a stage say of each gate, and what each remembers for its next check. Pure.

Whatever was not read is Inconclusive, with the reason; a gate never guesses, and never forgets a Fail's evidence by
being looked at more often.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, assert_never

from serin_core.api.gates import GateName
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import GateMemory
from serin_core.contract.gate_catalog import LOW_CONFIDENCE_TOLERANCE, AsReported, NotWorseThanControl
from serin_core.contract.pod_report import RunQuality
from serin_core.counting import Reading, Unreadable
from serin_core.evidence import Alphas, AtLeast, AtMost, Within
from serin_core.gates.active import ActiveGate, active_gates, alpha_fail
from serin_core.gates.feedback import judge_arms
from serin_core.gates.per_class import judge_classes
from serin_core.gates.rate import judge_rate
from serin_core.gates.result import Check, GateResult, PreviousCheck, blank, unread

_FRESH: Final = GateMemory()
_NO_REPORT: Final = Unreadable("NoReport", "no pod has told what the run's report promises")
_TOO_EARLY: Final = Unreadable("InitialDelay", "its initialDelay is not over")


@dataclass(frozen=True, slots=True)
class Stage:
    """What is judged: one stage of one run."""

    percent: float
    started_at: datetime
    expected_low_confidence: float | None
    """The share of answers under their threshold that the run's report promises; None where no pod has told it."""


def expected_low_confidence(
    quality: RunQuality | None, thresholds: Mapping[str, float], default: float
) -> float | None:
    """Answer the share of answers under their threshold that a report promises, None where it says nothing of it.

    Between two thresholds of the report the stricter one counts: it promises less.
    """
    if quality is None or not quality.coverage:
        return None
    covered = 0.0
    for label, by_class in quality.coverage.items():
        wanted = thresholds.get(label, default)
        at = [(float(threshold), found.coverage) for threshold, found in by_class.by_threshold.items()]
        covered += by_class.share * next((share for threshold, share in sorted(at) if threshold >= wanted - 1e-9), 0.0)
    return min(max(1.0 - covered, 0.0), 1.0)


def judge_stage(
    spec: SuggestionModelSpec, stage: Stage, reading: Reading, last: PreviousCheck, *, now: datetime
) -> tuple[GateResult, ...]:
    """Judge every gate of a stage on what was read."""
    judged, whole = [], Alphas(promote=spec.analysis.alpha_promote, rollback=alpha_fail(spec))
    for gate in active_gates(spec, percent=stage.percent):
        before = last.memory.get(gate.name, _FRESH)
        before = before if before.bound else before.model_copy(update={"bound": str(gate.criterion)})
        if isinstance(reading, Unreadable):
            judged.append(GateResult(unread(blank(gate), reading), before))
        elif now < stage.started_at + gate.initial_delay:
            judged.append(GateResult(unread(blank(gate), _TOO_EARLY), before))
        else:
            alphas = _after_edits(whole, before.edits + (before.bound != str(gate.criterion)))
            shown = last.gates.get(gate.name) if before.judged_by == str(alphas) else None
            done = _judge_one(Check(gate, blank(gate), reading, before, alphas, shown), stage)
            judged.append(GateResult(done.gate, done.memory.model_copy(update={"judged_by": str(alphas)})))
    return tuple(judged)


def edited(spec: SuggestionModelSpec, *, percent: float, memory: Mapping[str, GateMemory]) -> tuple[ActiveGate, ...]:
    """Answer the gates whose bound is another than the one under which the present stage has judged them."""
    gates = active_gates(spec, percent=percent)
    return tuple(gate for gate in gates if memory.get(gate.name, _FRESH).bound not in ("", str(gate.criterion)))


def _after_edits(whole: Alphas, edits: int) -> Alphas:
    """Answer what a verdict may err after so many changes of its bound in one stage: half of it each time.

    All of them together then err at most twice as often as one would.
    """
    return Alphas(promote=whole.promote / 2**edits, rollback=whole.rollback / 2**edits)


def _judge_one(check: Check, stage: Stage) -> GateResult:
    match check.gate.criterion:
        case NotWorseThanControl(odds_ratio=limit):
            return judge_arms(check, limit=limit)
        case AsReported():
            return check.without(_NO_REPORT) if stage.expected_low_confidence is None else _judge_promise(check, stage)
        case AtLeast() | AtMost() | Within() as bound:
            return judge_classes(check, bound) if check.gate.name == GateName.PER_CLASS else judge_rate(check, bound)
        case _:
            assert_never(check.gate.criterion)


def _judge_promise(check: Check, stage: Stage) -> GateResult:
    margin = check.gate.criterion.margin if isinstance(check.gate.criterion, AsReported) else 0.0
    most = min((stage.expected_low_confidence or 0.0) + LOW_CONFIDENCE_TOLERANCE, 1.0)
    known = check.blank.model_copy(update={"at_most": round(most, 6)})
    return judge_rate(replace(check, blank=known), AtMost(most, margin))
