"""The gates as a person writes them: `spec.gates`. Every static rule stands once as CEL and once as a validator.

What each built-in gate counts, and where it acts, is said in gates/, never here.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, Strict, StrictBool, model_validator

from serin_core.api.base import Percent, Rate, Share, SpecModel, rules
from serin_core.api.durations import Duration


class Acceptance(SpecModel):
    """What the run's own training report must reach before any request sees the run."""

    f1_macro: Share = Field(0.72, description="Least macro F1 on held-out rows.")
    f1_min: Share = Field(0.60, description="Least F1 of the worst class on held-out rows.")


class GateName(StrEnum):
    """The built-in gates. All but perClass are on unless disabled."""

    AVAILABILITY = "availability"
    ERRORS = "errors"
    LATENCY = "latency"
    AGREEMENT = "agreement"
    ACCEPTED_RATIO = "acceptedRatio"
    LOW_CONFIDENCE = "lowConfidence"
    FEEDBACK = "feedback"
    PER_CLASS = "perClass"


COUNTS_USERS = frozenset({GateName.AGREEMENT.value})
"""Gates that count each user once; all others count requests."""
_ODDS_RATIO = 1.5
_BUILT_IN = ", ".join(f"'{gate.value}'" for gate in GateName)
_SELECTOR = r"^[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^{}]*\})?$"
Selector = Annotated[str, Field(min_length=1, max_length=512, pattern=_SELECTOR)]


class Range(SpecModel):
    """Two bounds of a rate."""

    model_config = ConfigDict(json_schema_extra=rules(("self.low < self.high", "low must be below high")))

    low: Rate = Field(description="The least rate.")
    high: Rate = Field(description="The greatest rate.")

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class Histogram(SpecModel):
    """A histogram of your own: what fell into the bucket is good, what was observed is all."""

    metric: Selector = Field(
        description='Its name, with matchers if need be, without _bucket: http_request_seconds{job="shop"}.'
    )
    le: Annotated[float, Strict(), Field(gt=0)] = Field(description="The bucket's bound; it must be one exactly.")


_NAMES_ITS_COUNTS = (
    f"(self.name in [{_BUILT_IN}]) != (has(self.good) || has(self.total) || has(self.histogram))",
    f"name a built-in gate ({', '.join(GateName)}), or give an own gate good and total, or a histogram",
)
_COUNTS_TWO = (
    "has(self.good) == has(self.total) && !(has(self.good) && has(self.histogram))",
    "an own gate counts good and total, both, or a histogram",
)
_HAS_ONE_BOUND = (
    "[has(self.atLeast), has(self.atMost), has(self.within)].filter(b, b).size() <= 1",
    "set one of atLeast, atMost and within",
)
_OWN_HAS_A_BOUND = (
    "!(has(self.good) || has(self.histogram)) || has(self.atLeast) || has(self.atMost) || has(self.within)",
    "an own gate needs one of atLeast, atMost and within",
)
_TOO_MUCH = "has(self.atLeast) && self.margin >= self.atLeast || has(self.atMost) && self.atMost + self.margin >= 1.0"
_MARGIN_LEAVES_ROOM = (
    f"!({_TOO_MUCH} || has(self.within) && self.margin > 0.0)",
    "margin must leave the bound between 0 and 1, and does not go with within",
)
_FEEDBACK_HAS_NO_BOUND = (
    "self.name != 'feedback' || !(has(self.atLeast) || has(self.atMost) || has(self.within))",
    "feedback compares two arms and has no bound; set required and oddsRatio",
)
_ONLY_FEEDBACK = (
    "self.name == 'feedback' || (!self.required && self.oddsRatio == 1.5)",
    "required and oddsRatio go with feedback only",
)
_PER_CLASS_HAS_AT_LEAST = (
    "self.name != 'perClass' || !(has(self.atMost) || has(self.within))",
    "perClass takes atLeast only",
)


class MetricGate(SpecModel):
    """A change to one built-in gate, or a gate of your own. Built-in gates that are not named keep their defaults."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _NAMES_ITS_COUNTS,
            _COUNTS_TWO,
            _HAS_ONE_BOUND,
            _OWN_HAS_A_BOUND,
            _MARGIN_LEAVES_ROOM,
            _FEEDBACK_HAS_NO_BOUND,
            _ONLY_FEEDBACK,
            _PER_CLASS_HAS_AT_LEAST,
        )
    )

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][a-zA-Z0-9-]*$")] = Field(
        description="A built-in gate: availability, errors, latency, agreement, acceptedRatio, lowConfidence, feedback "
        "or perClass (on only where it is named); or a name of your own, with good and total, or a histogram."
    )
    disabled: StrictBool = Field(default=False, description="Takes the gate out: it neither holds nor rolls back.")
    dry_run: StrictBool = Field(default=False, description="Judged and shown, never acted on.")
    at_least: Rate | None = Field(
        None,
        description="The least share of good that the gate asks for. Defaults: availability 0.90, errors 0.99, "
        "latency 0.99, agreement 0.70, acceptedRatio 0.95, perClass 0.60.",
    )
    at_most: Rate | None = Field(
        None,
        description="The greatest share of good that the gate allows. Default of lowConfidence: what the run's report "
        "promises at these thresholds, and 0.05 more.",
    )
    within: Range | None = Field(None, description="Two bounds between which the share of good must lie.")
    margin: Annotated[float, Strict(), Field(ge=0, lt=1)] = Field(
        0,
        description="Tolerance: Pass is proven against a bound less strict by so much, Fail against the bound itself. "
        "With one, some verdict is certain after a number of requests that `serin lint` prints.",
    )
    stages: Annotated[tuple[Percent, ...], Field(min_length=1, max_length=21)] | None = Field(
        None,
        description="The shares, in percent, at which the gate judges; 0 is the shadow. Default: all of its kind.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    design_effect: Annotated[float, Strict(), Field(ge=1, le=1000)] = Field(
        1, description="Divides both counts, where one user makes many requests and users cannot be told apart."
    )
    initial_delay: Duration = Field(timedelta(), description="Counts begin so long after the stage has begun.")
    required: StrictBool = Field(
        default=False, description="feedback: needed for a Pass as well, not only able to Fail."
    )
    odds_ratio: Annotated[float, Strict(), Field(gt=1, le=20)] = Field(
        _ODDS_RATIO,
        description="feedback: Pass proves that the odds of a rejection in the canary are below so many times those of "
        "the control group.",
    )
    good: Selector | None = Field(
        None,
        description='Counter of the good ones: shop_orders_total{code="200"}. Resets and restarts are allowed for.',
    )
    total: Selector | None = Field(None, description="Counter of all.")
    histogram: Histogram | None = Field(None, description="Instead of good and total: a histogram and a bound.")

    @property
    def is_own(self) -> bool:
        """Answer whether the gate counts series of the user's own."""
        return self.good is not None or self.total is not None or self.histogram is not None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        bounds = [one is not None for one in (self.at_least, self.at_most, self.within)]
        is_known = self.name in {gate.value for gate in GateName}
        low, high = self.at_least, self.at_most
        leaves_room = (low is None or self.margin < low) and (high is None or high + self.margin < 1)
        wrong = {
            _NAMES_ITS_COUNTS[1]: is_known == self.is_own,
            _COUNTS_TWO[1]: (self.good is None) != (self.total is None)
            or (self.good is not None and self.histogram is not None),
            _HAS_ONE_BOUND[1]: sum(bounds) > 1,
            _OWN_HAS_A_BOUND[1]: self.is_own and not any(bounds),
            _MARGIN_LEAVES_ROOM[1]: not leaves_room or (self.within is not None and self.margin > 0),
            _FEEDBACK_HAS_NO_BOUND[1]: self.name == GateName.FEEDBACK and any(bounds),
            _ONLY_FEEDBACK[1]: self.name != GateName.FEEDBACK and (self.required or self.odds_ratio != _ODDS_RATIO),
            _PER_CLASS_HAS_AT_LEAST[1]: self.name == GateName.PER_CLASS and any(bounds[1:]),
        }
        for message, holds in wrong.items():
            if holds:
                raise ValueError(message)
        return self


def _named_once(changes: tuple[MetricGate, ...]) -> tuple[MetricGate, ...]:
    gates = [change.name for change in changes]
    if len(set(gates)) < len(gates):
        raise ValueError("each gate may be named once")
    return changes


class Gates(SpecModel):
    """What a run must prove: offline (acceptance) and online (metrics)."""

    acceptance: Acceptance = Field(
        Acceptance(), description="Judged on the report of the run that the pods loaded, before any request sees it."
    )
    metrics: Annotated[tuple[MetricGate, ...], Field(max_length=16), AfterValidator(_named_once)] = Field(
        (),
        description="Changes to the built-in gates, each of which but perClass is on by default, and own gates.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
