"""One gate at one check: what is asked, what was read, what is remembered; and how an answer is shown. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from serin_core.api.gates import Range
from serin_core.api.status import GateMemory, GateStatus, Status
from serin_core.contract.gate_catalog import AsReported, NotWorseThanControl
from serin_core.counting import StageCounts, Unreadable
from serin_core.evidence import Alphas, AtLeast, AtMost, Counts, Verdict, Within, confidence_sequence
from serin_core.gates.active import ActiveGate

DISPLAY_ALPHA: Final = 0.05
OPEN: Final = "NotEnoughEvidence"
PROVEN: Final = "Proven"
REASONS: Final = frozenset({OPEN, PROVEN})
"""The reasons of a gate whose counts were read."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate after one check."""

    gate: GateStatus
    memory: GateMemory


@dataclass(frozen=True, slots=True)
class PreviousCheck:
    """What the gates of the present stage had come to at the check before, by name."""

    memory: Mapping[str, GateMemory]
    gates: Mapping[str, GateStatus] = field(default_factory=dict)

    @classmethod
    def of(cls, status: Status) -> Self:
        """Take it from a resource's status."""
        return cls(memory=status.memory, gates={gate.name: gate for gate in status.gates})


@dataclass(frozen=True, slots=True)
class Check:
    """All that one gate is judged by. `blank` is its status before anything is known."""

    gate: ActiveGate
    blank: GateStatus
    reading: StageCounts
    memory: GateMemory
    alphas: Alphas
    before: GateStatus | None = None
    """What it had come to at the check before; None at the first one, or where it could not be judged then."""

    def without(self, why: Unreadable) -> GateResult:
        """Answer a gate that could not be judged, and why."""
        return GateResult(unread(self.blank, why), self.memory)


def blank(gate: ActiveGate) -> GateStatus:
    """Answer a gate's status before anything is known: what it asks for."""
    limits: dict[str, object] = {}
    match gate.criterion:
        case AtLeast(p=p):
            limits = {"at_least": p}
        case AtMost(u=u):
            limits = {"at_most": u}
        case Within(low=low, high=high):
            limits = {"within": Range(low=low, high=high)}
        case NotWorseThanControl(odds_ratio=odds):
            limits = {"odds_ratio": odds}
        case AsReported():
            pass
    return GateStatus.model_validate({"name": gate.name, "role": gate.role, "reason": "NoData", **limits})


def unread(status: GateStatus, why: Unreadable) -> GateStatus:
    """Answer a gate that could not be judged, and why."""
    return status.model_copy(update={"reason": why.reason, "detail": why.message})


def shown(status: GateStatus, counts: Counts, verdict: Verdict, *, needed: int | None) -> GateStatus:
    """Answer a gate with its counts, rounded for people, and its verdict."""
    lower, upper = confidence_sequence(counts, DISPLAY_ALPHA)
    return status.model_copy(
        update={
            "good": round(counts.good, 3),
            "total": round(counts.total, 3),
            "estimate": None if counts.estimate is None else round(counts.estimate, 4),
            "lower": round(lower, 4),
            "upper": round(upper, 4),
            "verdict": verdict,
            "reason": OPEN if verdict is Verdict.INCONCLUSIVE else PROVEN,
            "needed": needed,
        }
    )
