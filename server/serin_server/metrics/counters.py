"""What one process has counted: plain integers, by stage and arm, primed at 0.

Only the present stage and the one before it are kept. Everything here happens on the event loop, so a copy taken
between two transactions always adds up. Never renders anything: that is exposition.py's work.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeVar

from serin_core.contract import names

BUCKETS: Final = (0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Upper bounds of the latency histogram, in seconds; 0.05 and 0.1 exactly, because gates ask for them."""
MOST_USERS: Final = 200_000
"""Users remembered per stage, about 20 MB; later ones are not counted, so that nobody is counted twice."""
_STAGES_KEPT: Final = 2
_WITHOUT_CONTROL: Final = 0x9E37_79B9_7F4A_7C15


class Arm(StrEnum):
    """Whether a user was in the canary when the request was decided."""

    CANARY = names.ARM_CANARY
    CONTROL = names.ARM_CONTROL


class Agree(StrEnum):
    """What comparing a run's first label with the control answer gave; NONE: there was no control answer."""

    TRUE = "True"
    FALSE = "False"
    NONE = "None"


class Fallback(StrEnum):
    """Why the run of the series did not answer; the first that applies, in this order."""

    NOT_IN_CANARY = "not_in_canary"
    UNAVAILABLE = "unavailable"
    LOW_CONFIDENCE = "low_confidence"
    UNKNOWN = "unknown"


class Source(StrEnum):
    """Who answered; SHADOW beside it when the run of the series was compared and not shown."""

    RULE = "rule"
    MODEL = "model"
    SHADOW = "shadow"


class Outcome(StrEnum):
    """What the user said of an answer."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Refusal(StrEnum):
    """Why a routing document was not taken."""

    UNREADABLE = "unreadable"
    OTHER_UID = "other_uid"
    LOWER_REVISION = "lower_revision"


@dataclass(frozen=True, slots=True)
class StageKey:
    """The labels that every count of a stage carries."""

    run_id: str
    """The run on trial; else the stable run; else "rules"."""
    stage: int
    """The revision at which the stage began; -1 before the first routing document."""


_K = TypeVar("_K")


def _zeros(keys: Iterable[_K]) -> dict[_K, int]:
    return dict.fromkeys(keys, 0)


@dataclass(slots=True)
class ArmCounts:
    """The counts of one arm of one stage."""

    predictions: dict[bool, int] = field(default_factory=lambda: _zeros((True, False)))
    fallback: dict[Fallback, int] = field(default_factory=lambda: _zeros(Fallback))
    requests: dict[bool, int] = field(default_factory=lambda: _zeros((True, False)))
    compare: dict[Agree, int] = field(default_factory=lambda: _zeros(Agree))
    users: dict[Agree, int] = field(default_factory=lambda: _zeros(Agree))
    source: dict[Source, int] = field(default_factory=lambda: _zeros(Source))
    feedback: dict[Outcome, int] = field(default_factory=lambda: _zeros(Outcome))
    classes: dict[tuple[str, Agree], int] = field(default_factory=dict)
    low_confidence: dict[str, int] = field(default_factory=dict)
    failures: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    """Attempts by bucket, not cumulative; the last one is above every bound."""
    latency_seconds: float = 0.0

    def prime(self, classes: Iterable[str]) -> None:
        """Start the series of these classes at 0, where they are not counting already."""
        for label in classes:
            self.low_confidence.setdefault(label, 0)
            for agree in Agree:
                self.classes.setdefault((label, agree), 0)

    def observe(self, seconds: float) -> None:
        """Count how long one attempt took."""
        self.latency[bisect_left(BUCKETS, seconds)] += 1
        self.latency_seconds += seconds

    def compared(self, label: str, agree: Agree) -> None:
        """Count one comparison, by the class that the run of the series gave first."""
        self.compare[agree] += 1
        self.classes[label, agree] = self.classes.get((label, agree), 0) + 1

    def doubted(self, label: str) -> None:
        """Count one answer under its class's threshold."""
        self.low_confidence[label] = self.low_confidence.get(label, 0) + 1

    def copy(self) -> "ArmCounts":
        """Answer a copy that no longer changes."""
        return replace(
            self,
            predictions=dict(self.predictions),
            fallback=dict(self.fallback),
            requests=dict(self.requests),
            compare=dict(self.compare),
            users=dict(self.users),
            source=dict(self.source),
            feedback=dict(self.feedback),
            classes=dict(self.classes),
            low_confidence=dict(self.low_confidence),
            latency=list(self.latency),
        )


def user_entry(user: int, agree: Agree) -> int:
    """Answer 64 bits that stand for one count of a user, given the 64 bits of the user.

    A user counts once with a control answer (True or False), and once at most without one (None): else a first
    transaction that no rule knows would take the user's later evidence away.
    """
    return user ^ _WITHOUT_CONTROL if agree is Agree.NONE else user


@dataclass(slots=True)
class StageCounts:
    """The counts of one stage, and which users have been counted in it."""

    key: StageKey
    arms: Mapping[Arm, ArmCounts] = field(default_factory=lambda: {arm: ArmCounts() for arm in Arm})
    _users: set[int] = field(default_factory=set)

    def prime(self, classes: Iterable[str]) -> None:
        """Start the series of these classes at 0, in both arms."""
        labels = tuple(classes)
        for counts in self.arms.values():
            counts.prime(labels)

    def is_first(self, entry: int) -> bool:
        """Answer whether this entry of `user_entry` is to be counted in this process, and remember it."""
        if entry in self._users or len(self._users) >= MOST_USERS:
            return False
        self._users.add(entry)
        return True

    def copy(self) -> "StageCounts":
        """Answer a copy of the counts that no longer changes."""
        return StageCounts(self.key, {arm: counts.copy() for arm, counts in self.arms.items()})


@dataclass(slots=True)
class Counters:
    """All that this process has counted."""

    refused: dict[Refusal, int] = field(default_factory=lambda: _zeros(Refusal))
    _stages: dict[StageKey, StageCounts] = field(default_factory=dict)

    def begin(self, key: StageKey, classes: Iterable[str]) -> StageCounts:
        """Answer the counts of a stage, from now on the present one; of those before it, only the last is kept."""
        counts = self._stages.pop(key, None) or StageCounts(key)
        counts.prime(classes)
        self._stages[key] = counts
        while len(self._stages) > _STAGES_KEPT:
            del self._stages[next(iter(self._stages))]
        return counts

    def of(self, key: StageKey) -> StageCounts | None:
        """Answer the counts of a stage, None once they were dropped."""
        return self._stages.get(key)

    def stages(self) -> tuple[StageCounts, ...]:
        """Answer copies of all that is kept, the present stage last."""
        return tuple(counts.copy() for counts in self._stages.values())
