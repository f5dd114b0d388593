"""Counters of one process: plain integers by stage and arm, starting at 0.

Only the current stage and the previous one are kept. All counting happens on the event loop, so a copy taken between
two transactions is consistent. exposition.py renders them.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Final

from serin_core.contract import names
from serin_core.model.inputs import InputBins, InputCounts

BUCKETS: Final = (0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Upper bounds of the latency histogram, in seconds; 0.05 and 0.1 exactly, because gates use them."""
MAX_USERS: Final = 200_000
"""Maximum users counted in a stage, about 20 MB; later ones are not counted, so that no user is counted twice."""
_STAGES_KEPT: Final = 2
_WITHOUT_CONTROL: Final = 0x9E37_79B9_7F4A_7C15


class Arm(StrEnum):
    """Whether the user was in the canary at the time of the request."""

    CANARY = names.ARM_CANARY
    CONTROL = names.ARM_CONTROL


class Agree(StrEnum):
    """Result of comparing a run's first label with the control answer; NONE: there was no control answer."""

    TRUE = "True"
    FALSE = "False"
    NONE = "None"


class Fallback(StrEnum):
    """Why the run of the series was not shown; the first that applies, in this order."""

    NOT_IN_CANARY = "not_in_canary"
    UNAVAILABLE = "unavailable"
    LOW_CONFIDENCE = "low_confidence"
    UNKNOWN = "unknown"


class AnswerSource(StrEnum):
    """Source of an answer; SHADOW in addition if the run of the series was compared and not shown."""

    RULE = "rule"
    MODEL = "model"
    SHADOW = "shadow"


class Outcome(StrEnum):
    """Outcome of feedback."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Refusal(StrEnum):
    """Why a routing document was rejected."""

    UNREADABLE = "unreadable"
    NEWER_VERSION = "newer_version"
    OTHER_UID = "other_uid"
    LOWER_REVISION = "lower_revision"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class StageKey:
    """The labels of all counters of a stage."""

    run_id: str
    """The candidate, else the stable run, else "rules"."""
    stage: int
    """The revision at which the stage began; -1 before the first routing document."""


@dataclass(slots=True)
class ArmCounts:
    """The counters of one arm of one stage."""

    predictions: dict[bool, int] = field(default_factory=lambda: dict.fromkeys((True, False), 0))
    """Suggestions, by whether the run of the series was shown; `fallback` adds up to those that are False."""
    confident: dict[bool, int] = field(default_factory=lambda: dict.fromkeys((True, False), 0))
    """Confident predictions in the canary, by whether they were shown."""
    fallback: dict[Fallback, int] = field(default_factory=lambda: dict.fromkeys(Fallback, 0))
    requests: dict[bool, int] = field(default_factory=lambda: dict.fromkeys((True, False), 0))
    compare: dict[Agree, int] = field(default_factory=lambda: dict.fromkeys(Agree, 0))
    users: dict[Agree, int] = field(default_factory=lambda: dict.fromkeys(Agree, 0))
    source: dict[AnswerSource, int] = field(default_factory=lambda: dict.fromkeys(AnswerSource, 0))
    feedback: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    classes: dict[tuple[str, Agree], int] = field(default_factory=dict)
    low_confidence: dict[str, int] = field(default_factory=dict)
    failures: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    """Predictions by bucket, not cumulative; the last bucket has no upper bound."""
    latency_seconds: float = 0.0

    def prime(self, classes: Iterable[str]) -> None:
        """Start the series of these classes at 0, unless they exist."""
        for label in classes:
            self.low_confidence.setdefault(label, 0)
            for agree in Agree:
                self.classes.setdefault((label, agree), 0)

    def observe(self, seconds: float) -> None:
        """Count the latency of one prediction."""
        self.latency[bisect_left(BUCKETS, seconds)] += 1
        self.latency_seconds += seconds

    def count_comparison(self, label: str, agree: Agree) -> None:
        """Count one comparison, by the first label of the run of the series."""
        self.compare[agree] += 1
        self.classes[label, agree] = self.classes.get((label, agree), 0) + 1

    def count_low_confidence(self, label: str) -> None:
        """Count one prediction below the threshold of its class."""
        self.low_confidence[label] = self.low_confidence.get(label, 0) + 1

    def copy(self) -> "ArmCounts":
        """Return a copy."""
        return replace(self, **{counter.name: copy(getattr(self, counter.name)) for counter in fields(self)})


def user_mark(user: int, agree: Agree) -> int:
    """Return 64 bits that identify one count of a user, from the 64-bit hash of the user.

    A user counts once with a control answer (True or False), and at most once without one (None): otherwise a first
    transaction without a control answer would exclude the user's later comparisons.
    """
    return user ^ _WITHOUT_CONTROL if agree is Agree.NONE else user


@dataclass(slots=True)
class StageCounts:
    """The counters of one stage, and the users counted in it."""

    key: StageKey
    arms: Mapping[Arm, ArmCounts] = field(default_factory=lambda: {arm: ArmCounts() for arm in Arm})
    _users: set[int] = field(default_factory=set)

    def is_first(self, mark: int) -> bool:
        """Return whether this result of `user_mark` must be counted in this process, and remember it."""
        if mark in self._users or len(self._users) >= MAX_USERS:
            return False
        self._users.add(mark)
        return True

    def copy(self) -> "StageCounts":
        """Return a copy of the counters."""
        return StageCounts(self.key, {arm: counts.copy() for arm, counts in self.arms.items()})


@dataclass(slots=True)
class Counters:
    """All counters of the process."""

    refused: dict[Refusal, int] = field(default_factory=lambda: dict.fromkeys(Refusal, 0))
    _stages: dict[StageKey, StageCounts] = field(default_factory=dict)
    _inputs: dict[str, InputCounts] = field(default_factory=dict)

    def count_inputs(self, bins: Mapping[str, InputBins | None]) -> Mapping[str, InputCounts]:
        """Return the counts of the inputs of these runs, by run, as far as they have bins; drop those of all others."""
        known = self._inputs
        self._inputs = {
            run: known[run] if run in known and known[run].bins == one else InputCounts(one)
            for run, one in bins.items()
            if one is not None
        }
        return self._inputs

    def inputs(self, run: str) -> InputCounts | None:
        """Return the counts of the inputs of a run, None if they are not counted."""
        return self._inputs.get(run)

    def begin_stage(self, key: StageKey, classes: Collection[str]) -> StageCounts:
        """Return the counters of a stage, which becomes the current one; of earlier stages only the last is kept."""
        counts = self._stages.pop(key, None) or StageCounts(key)
        for arm in counts.arms.values():
            arm.prime(classes)
        self._stages[key] = counts
        while len(self._stages) > _STAGES_KEPT:
            del self._stages[next(iter(self._stages))]
        return counts

    def find(self, key: StageKey) -> StageCounts | None:
        """Return the counters of a stage, None if they are no longer kept."""
        return self._stages.get(key)

    def stages(self) -> tuple[StageCounts, ...]:
        """Return copies of all counters, the current stage last."""
        return tuple(counts.copy() for counts in self._stages.values())
