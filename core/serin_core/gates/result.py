"""Result of one gate at one check, as it is shown in the status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from serin_core.api.gates import Range
from serin_core.api.status import GateMemory, GateStatus, LateHarm, Status
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
    counted = found if isinstance(found, Evaluation) else None
    counts = None if counted is None else counted.counts
    lower, upper = (None, None) if counts is None else confidence_sequence(counts, DISPLAY_ALPHA)
    margin = criterion.margin if isinstance(criterion, AtLeast | AtMost) else 0.0
    return GateStatus(
        name=gate.name,
        role=gate.role,
        at_least=criterion.p if isinstance(criterion, AtLeast) else None,
        at_most=round(criterion.u, 6) if isinstance(criterion, AtMost) else None,
        within=Range(low=criterion.low, high=criterion.high) if isinstance(criterion, Within) else None,
        margin=margin or None,
        odds_ratio=criterion.odds_ratio if isinstance(criterion, NotWorseThanControl) else None,
        good=_rounded(None if counts is None else counts.good, 3),
        total=_rounded(None if counts is None else counts.total, 3),
        estimate=_rounded(None if counts is None else counts.estimate, 4),
        lower=_rounded(lower, 4),
        upper=_rounded(upper, 4),
        verdict=Verdict.INCONCLUSIVE if counted is None else counted.verdict,
        alpha=None if counted is None else counted.alpha,
        late_harm=None if counted is None else counted.late_harm,
        reason=_reason(found),
        needed=None if counted is None else counted.needed,
        detail=found.message if isinstance(found, Unreadable) else found.detail,
    )


def _reason(found: Evaluation | Unreadable) -> str:
    if isinstance(found, Unreadable):
        return found.reason
    return OPEN if found.verdict is Verdict.INCONCLUSIVE else PROVEN


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
