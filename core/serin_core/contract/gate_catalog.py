"""Built-in gates: what each one counts, where it is evaluated, and how it is described. One entry per gate.

Counting, evaluation, messages, the simulation and the tables in docs/gates.md and docs/metrics.md are made from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from serin_core.api.gate_names import (
    DEFAULT_AT_LEAST,
    DEFAULT_AT_MOST,
    DEFAULT_ODDS_RATIO,
    MEASURES,
    NOT_IN_SHADOW,
    NOT_WITHOUT_CONTROL,
    OFF_BY_DEFAULT,
    GateName,
)
from serin_core.contract import names
from serin_core.evidence.bounds import AtLeast, AtMost, Bound

LOW_CONFIDENCE_TOLERANCE: Final = 0.05
"""By how much the share of low-confidence answers may exceed the share that the run's report states."""
_FULL: Final = 100.0


@dataclass(frozen=True, slots=True)
class AsReported:
    """At most the share that the run's report states, plus LOW_CONFIDENCE_TOLERANCE."""

    margin: float = 0.0


@dataclass(frozen=True, slots=True)
class NotWorseThanControl:
    """Odds of a bad outcome in the canary at most `odds_ratio` times the odds in the control group: then it passes.

    It fails where they are surely more than `fails_above` times those of the control group.
    """

    odds_ratio: float
    fails_above: float = 1.0


Criterion = Bound | AsReported | NotWorseThanControl


def has_control_group(percent: float, holdback: float) -> bool:
    """Return whether a stage has users in the canary and users outside it."""
    return 0 < percent < _FULL or (percent == _FULL and holdback > 0)


class Unit(Enum):
    """What a gate counts."""

    REQUESTS = "requests"
    USERS = "users"
    FEEDBACK = "answers with feedback"


class Arms(Enum):
    """Whose traffic a gate counts once users are in the canary. The shadow has no arms: everyone is counted."""

    CANARY = "canary"
    BOTH = "canary and control"


@dataclass(frozen=True, slots=True)
class Term:
    """How series of one metric move the two counts of a gate, or of the part that the `part` label names."""

    metric: str
    label: str
    value: str
    good: int
    total: int
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltInGate:
    """Everything that is specific to one built-in gate."""

    name: GateName
    phrase: str
    """What holds of those that are good: `54 of 60 users agree`."""
    terms: tuple[Term, ...]
    default: Criterion
    unit: Unit = Unit.REQUESTS
    arms: Arms = Arms.CANARY

    @property
    def description(self) -> str:
        """The share that it measures, as a noun phrase."""
        return MEASURES[self.name]

    @property
    def is_on_by_default(self) -> bool:
        """Whether it is evaluated unless the spec turns it off."""
        return self.name not in OFF_BY_DEFAULT

    @property
    def counts_users(self) -> bool:
        """Whether each user is counted once."""
        return self.unit is Unit.USERS

    @property
    def metrics(self) -> frozenset[str]:
        """Metrics that it reads."""
        return frozenset(term.metric for term in self.terms)

    def is_evaluated_at(self, percent: float, *, holdback: float = 0.0) -> bool:
        """Return whether a stage with this share of users in the canary, 0 for the shadow, has what it counts.

        `holdback`: percent of users who are held back at 100 percent.
        """
        if percent == 0:
            return self.name not in NOT_IN_SHADOW
        return has_control_group(percent, holdback) or self.name not in NOT_WITHOUT_CONTROL


_GATES: Final = (
    BuiltInGate(
        name=GateName.AVAILABILITY,
        phrase="found the run available",
        terms=(
            Term(names.REQUESTS, "available", "True", good=1, total=1),
            Term(names.REQUESTS, "available", "False", good=0, total=1),
        ),
        default=AtLeast(DEFAULT_AT_LEAST[GateName.AVAILABILITY]),
    ),
    BuiltInGate(
        name=GateName.ERRORS,
        phrase="succeeded",
        terms=(
            Term(names.REQUESTS, "available", "True", good=1, total=1),
            Term(names.FAILURES, "", "", good=-1, total=0),
        ),
        default=AtLeast(DEFAULT_AT_LEAST[GateName.ERRORS]),
    ),
    BuiltInGate(
        name=GateName.LATENCY,
        phrase="took at most 0.1 s",
        terms=(
            Term(f"{names.LATENCY}_bucket", "le", "0.1", good=1, total=0),
            Term(f"{names.LATENCY}_count", "", "", good=0, total=1),
        ),
        default=AtLeast(DEFAULT_AT_LEAST[GateName.LATENCY]),
    ),
    BuiltInGate(
        name=GateName.AGREEMENT,
        phrase="agree",
        terms=(
            Term(names.USERS_COMPARE, "agree", "True", good=1, total=1),
            Term(names.USERS_COMPARE, "agree", "False", good=0, total=1),
        ),
        default=AtLeast(DEFAULT_AT_LEAST[GateName.AGREEMENT]),
        unit=Unit.USERS,
        arms=Arms.BOTH,
    ),
    BuiltInGate(
        name=GateName.ACCEPTED_RATIO,
        phrase="were shown",
        terms=(
            Term(names.CONFIDENT, "shown", "True", good=1, total=1),
            Term(names.CONFIDENT, "shown", "False", good=0, total=1),
        ),
        default=AtLeast(DEFAULT_AT_LEAST[GateName.ACCEPTED_RATIO]),
    ),
    BuiltInGate(
        name=GateName.LOW_CONFIDENCE,
        phrase="had low confidence",
        terms=(
            Term(names.LOW_CONFIDENCE, "", "", good=1, total=0),
            Term(names.REQUESTS, "available", "True", good=0, total=1),
            Term(names.FAILURES, "", "", good=0, total=-1),
        ),
        default=AsReported(),
    ),
    BuiltInGate(
        name=GateName.FEEDBACK,
        phrase="were accepted",
        terms=(
            Term(names.FEEDBACK, "outcome", "accepted", good=1, total=1, part=names.SERIES_ARM),
            Term(names.FEEDBACK, "outcome", "rejected", good=0, total=1, part=names.SERIES_ARM),
        ),
        default=NotWorseThanControl(DEFAULT_ODDS_RATIO),
        unit=Unit.FEEDBACK,
        arms=Arms.BOTH,
    ),
    BuiltInGate(
        name=GateName.PER_CLASS,
        phrase="agree",
        terms=(
            Term(names.CLASS_COMPARE, "agree", "True", good=1, total=1, part=names.SERIES_CLASS),
            Term(names.CLASS_COMPARE, "agree", "False", good=0, total=1, part=names.SERIES_CLASS),
        ),
        default=AtLeast(DEFAULT_AT_LEAST[GateName.PER_CLASS]),
        arms=Arms.BOTH,
    ),
    BuiltInGate(
        name=GateName.FALLBACK,
        phrase="fell back",
        terms=(
            Term(names.FALLBACK, "reason", "unavailable", good=1, total=0),
            Term(names.FALLBACK, "reason", "unknown", good=1, total=0),
            Term(names.PREDICTIONS, "accepted", "True", good=0, total=1),
            Term(names.PREDICTIONS, "accepted", "False", good=0, total=1),
        ),
        default=AtMost(DEFAULT_AT_MOST[GateName.FALLBACK]),
    ),
)
CATALOG: Final[Mapping[GateName, BuiltInGate]] = {gate.name: gate for gate in _GATES}
_BY_NAME: Final = {gate.name.value: gate for gate in _GATES}


def built_in(name: str) -> BuiltInGate | None:
    """Return the built-in gate of this name, None for a custom gate."""
    return _BY_NAME.get(name)
