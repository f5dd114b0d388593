"""The acceptance gate: minimum scores that a run's training report must reach before the run sees any request.

Training applies it before it moves `latest`, the operator before a rollout's shadow stage begins.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Minimum macro F1 and minimum F1 of the worst class, on held-out rows."""

    f1_macro: float = 0.72
    f1_min: float = 0.60


@dataclass(frozen=True, slots=True)
class Accepted:
    """Both scores reach their limits."""

    reason: str = "acceptance gate passed"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A score is below its limit; the reason names it."""

    reason: str


def judge_acceptance(*, f1_macro: float, f1_min: float, limits: Limits) -> Accepted | Rejected:
    """Return whether both scores reach their limits; NaN never does."""
    short = [
        f"{name} {value:.3f} is below {limit:g}"
        for name, value, limit in (("macro F1", f1_macro, limits.f1_macro), ("worst class F1", f1_min, limits.f1_min))
        if not value >= limit
    ]
    return Rejected(f"acceptance gate: {', '.join(short)}") if short else Accepted()
