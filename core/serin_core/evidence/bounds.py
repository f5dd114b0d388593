"""What a gate requires of a rate."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The rate is at least `p`; Pass needs proof of no more than "above p - margin"."""

    p: float
    margin: float = 0.0

    def __post_init__(self) -> None:
        _refuse_unless(-inf < self.p < inf and 0 <= self.margin < inf, self)

    @property
    def is_met_by_itself(self) -> bool:
        """Whether every rate, or none, lies on the good side: there is nothing to prove."""
        return not 0 < self.p < 1


@dataclass(frozen=True, slots=True)
class AtMost:
    """The rate is at most `u`; Pass needs proof of no more than "below u + margin"."""

    u: float
    margin: float = 0.0

    def __post_init__(self) -> None:
        _refuse_unless(-inf < self.u < inf and 0 <= self.margin < inf, self)

    @property
    def is_met_by_itself(self) -> bool:
        """Whether every rate, or none, lies on the good side: there is nothing to prove."""
        return not 0 < self.u < 1


@dataclass(frozen=True, slots=True)
class Within:
    """The rate lies between `low` and `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _refuse_unless(-inf < self.low < self.high < inf, self)

    @property
    def is_met_by_itself(self) -> bool:
        """Whether neither end requires anything."""
        return not 0 < self.low < 1 and not 0 < self.high < 1


Bound = AtLeast | AtMost | Within


@dataclass(frozen=True, slots=True)
class Alphas:
    """The chance that one verdict of this gate is wrong: a Pass (`promote`), a Fail (`rollback`). 0: never."""

    promote: float
    rollback: float

    def __post_init__(self) -> None:
        _refuse_unless(0 <= self.promote <= 1 and 0 <= self.rollback <= 1, self)


def _refuse_unless(claim: bool, what: object) -> None:  # noqa: FBT001 - the claim is the sentence
    if not claim:
        raise ValueError(f"{what} bounds nothing")
