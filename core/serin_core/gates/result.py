"""Result of one gate at one check, as it is shown in the status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from serin_core.api.base import shortened
from serin_core.api.gate_options import Range
from serin_core.api.gate_status import MAX_DETAIL, GateMemory, GateStatus, LateHarm
from serin_core.api.status import Status
from serin_core.contract.gate_catalog import Criterion, NotWorseThanControl
from serin_core.counting.reading import Unreadable
from serin_core.evidence.bounds import AtLeast, AtMost, Within
from serin_core.evidence.confidence_sequence import confidence_sequence
from serin_core.evidence.counts import Counts, Verdict
from serin_core.gates.active import ActiveGate

DISPLAY_ALPHA: Final = 0.05
OPEN: Final = "NotEnoughEvidence"
PROVEN: Final = "Proven"
REASONS: Final = frozenset({OPEN, PROVEN})
"""Reasons of a gate whose counts were read."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate after one check."""

    gate: GateStatus
    memory: GateMemory


@dataclass(frozen=True, slots=True)
class PreviousCheck:
    """Results of the present stage at the check before, by gate."""

    memory: Mapping[str, GateMemory]
    gates: Mapping[str, GateStatus] = field(default_factory=dict)

    @classmethod
    def of(cls, status: Status) -> Self:
        """Return the results in a resource's status."""
        return cls(memory=status.memory, gates={gate.name: gate for gate in status.gates})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Counts of one gate and what they prove."""

    counts: Counts
    verdict: Verdict
    needed: int | None
    """Requests until a verdict at the present rate, None if that cannot be estimated."""
    alpha: float | None = None
    late_harm: LateHarm | None = None
    detail: str = ""


def gate_status(gate: ActiveGate, criterion: Criterion, found: Evaluation | Unreadable) -> GateStatus:
    """Return a gate as it is shown: its criterion, and what was found or why nothing was."""
    required: dict[str, Any] = {"name": gate.name, "role": gate.role}
    match criterion:
        case AtLeast(p=p, margin=margin):
            required |= {"at_least": p, "margin": margin or None}
        case AtMost(u=u, margin=margin):
            required |= {"at_most": round(u, 6), "margin": margin or None}
        case Within(low=low, high=high):
            required["within"] = Range(low=low, high=high)
        case NotWorseThanControl(odds_ratio=odds_ratio):
            required["odds_ratio"] = odds_ratio
    if isinstance(found, Unreadable):
        return GateStatus(**required, reason=found.reason, detail=shortened(found.message, MAX_DETAIL))
    counts, (lower, upper) = found.counts, confidence_sequence(found.counts, DISPLAY_ALPHA)
    return GateStatus(
        **required,
        good=round(counts.good, 3),
        total=round(counts.total, 3),
        estimate=None if counts.estimate is None else round(counts.estimate, 4),
        lower=round(lower, 4),
        upper=round(upper, 4),
        verdict=found.verdict,
        alpha=found.alpha,
        late_harm=found.late_harm,
        reason=OPEN if found.verdict is Verdict.INCONCLUSIVE else PROVEN,
        needed=found.needed,
        detail=shortened(found.detail, MAX_DETAIL),
    )
