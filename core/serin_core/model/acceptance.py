"""The acceptance gate: what a run's own training report must reach before any request sees the run.

The same rule for both who apply it: training before `latest` moves, the operator before shadow begins.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The least macro F1, and the least F1 of the worst class, on held-out rows."""

    f1_macro: float = 0.72
    f1_min: float = 0.60


@dataclass(frozen=True, slots=True)
class Accepted:
    """The report reaches the limits."""

    reason: str = "acceptance gate passed"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The report falls short, and by how much."""

    reason: str


def judge_acceptance(*, f1_macro: float, f1_min: float, limits: Limits) -> Accepted | Rejected:
    """Judge a report's two figures. NaN never passes."""
    short = [
        f"{name} {value:.3f} is below {limit:g}"
        for name, value, limit in (("macro F1", f1_macro, limits.f1_macro), ("worst class F1", f1_min, limits.f1_min))
        if not value >= limit
    ]
    return Rejected(f"acceptance gate: {', '.join(short)}") if short else Accepted()
