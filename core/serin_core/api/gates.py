"""Gates as users write them in `spec.gates`. Every static rule is defined twice: as CEL and as a validator.

What each built-in gate counts is defined in contract/gate_catalog.py.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, Strict, StrictBool, model_validator

from serin_core.api.base import Percent, Rate, Share, SpecModel, rules
from serin_core.api.durations import Duration
from serin_core.api.queries import Queries
from serin_core.api.selectors import Selector


class Acceptance(SpecModel):
    """Minimum quality in the run's training report. Checked before the run answers any request."""

    f1_macro: Share = Field(0.72, description="Minimum macro F1 on the test set. Default: 0.72.")
    f1_min: Share = Field(
        0.60, description="Minimum F1 of the worst class on the test set; rare classes are left out. Default: 0.60."
    )


class GateName(StrEnum):
    """Built-in gates. All are on by default except perClass."""

    AVAILABILITY = "availability"
    ERRORS = "errors"
    LATENCY = "latency"
    AGREEMENT = "agreement"
    ACCEPTED_RATIO = "acceptedRatio"
    LOW_CONFIDENCE = "lowConfidence"
    FEEDBACK = "feedback"
    PER_CLASS = "perClass"


DEFAULT_AT_LEAST: Final[Mapping[GateName, float]] = {
    GateName.AVAILABILITY: 0.90,
    GateName.ERRORS: 0.99,
    GateName.LATENCY: 0.99,
    GateName.AGREEMENT: 0.70,
    GateName.ACCEPTED_RATIO: 0.95,
    GateName.PER_CLASS: 0.60,
}
DEFAULT_ODDS_RATIO: Final = 1.5
NOT_IN_SHADOW: Final = (GateName.ACCEPTED_RATIO, GateName.LOW_CONFIDENCE, GateName.FEEDBACK)
"""Gates on answers that users see: the shadow (stage 0) has none."""
NOT_WITHOUT_CONTROL: Final = (GateName.FEEDBACK,)
"""Gates that compare the canary with the control group: at 100 percent there is none."""
_NO_CORRECTIONS: Final = (GateName.FEEDBACK, GateName.PER_CLASS)


def _listed(gates: Iterable[GateName]) -> str:
    *most, last = gates
    return f"{', '.join(most)} or {last}"


def _quoted(gates: Iterable[GateName]) -> str:
    return "[" + ", ".join(f"'{gate.value}'" for gate in gates) + "]"


_FULL: Final = 100


class Range(SpecModel):
    """Lower and upper bound of a rate."""

    model_config = ConfigDict(json_schema_extra=rules(("self.low < self.high", "low must be below high")))

    low: Rate = Field(description="Lower bound.")
    high: Rate = Field(description="Upper bound.")

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class Histogram(SpecModel):
    """Histogram of a custom gate: observations up to `le` are good, all observations are the total."""

    metric: Selector = Field(
        description='Name without _bucket, with label matchers if needed: http_request_seconds{job="shop"}.'
    )
    le: Annotated[float, Strict(), Field(gt=0)] = Field(
        description="Upper bound of the bucket; the histogram must have a bucket with exactly this bound."
    )


_NAMES_ITS_COUNTS = (
    f"(self.name in {_quoted(GateName)}) != (has(self.good) || has(self.total) || has(self.histogram))",
    f"name a built-in gate ({', '.join(GateName)}), or give a custom gate good and total, or a histogram",
)
_COUNTS_TWO = (
    "has(self.good) == has(self.total) && !(has(self.good) && has(self.histogram))",
    "a custom gate needs either good and total, or a histogram",
)
_HAS_ONE_BOUND = (
    "[has(self.atLeast), has(self.atMost), has(self.within)].filter(b, b).size() <= 1",
    "set one of atLeast, atMost and within",
)
_CUSTOM_HAS_A_BOUND = (
    "!(has(self.good) || has(self.histogram)) || has(self.atLeast) || has(self.atMost) || has(self.within)",
    "a custom gate needs one of atLeast, atMost and within",
)
_TOO_MUCH = "has(self.atLeast) && self.margin >= self.atLeast || has(self.atMost) && self.atMost + self.margin >= 1.0"
_MARGIN_LEAVES_ROOM = (
    f"!({_TOO_MUCH} || has(self.within) && self.margin > 0.0)",
    "margin must leave the bound between 0 and 1, and does not go with within",
)
_FEEDBACK_HAS_NO_BOUND = (
    "self.name != 'feedback' || !(has(self.atLeast) || has(self.atMost) || has(self.within))",
    "feedback compares canary and control and has no bound; set required and oddsRatio",
)
_ONLY_FEEDBACK = (
    f"self.name == 'feedback' || (!self.required && self.oddsRatio == {DEFAULT_ODDS_RATIO})",
    "required and oddsRatio go with feedback only",
)
_PER_CLASS_HAS_AT_LEAST = (
    "self.name != 'perClass' || !(has(self.atMost) || has(self.within))",
    "perClass takes atLeast only",
)
_HAS_NO_MARGIN = (
    "self.name != 'feedback' || self.margin == 0.0",
    "margin has no effect on feedback; use oddsRatio",
)
_IS_CORRECTED = "(self.designEffect > 1.0 || duration(self.initialDelay) > duration('0s'))"
_HAS_NO_CORRECTIONS = (
    f"!(self.name in {_quoted(_NO_CORRECTIONS)} && {_IS_CORRECTED})",
    "designEffect and initialDelay have no effect on feedback and perClass",
)
_NOT_IN_SHADOW = (
    f"!(self.name in {_quoted(NOT_IN_SHADOW)} && has(self.stages) && self.stages.exists(stage, stage == 0.0))",
    f"{', '.join(NOT_IN_SHADOW)} are not evaluated in the shadow; remove 0 from stages",
)
_NOT_AT_FULL = (
    f"!(self.name in {_quoted(NOT_WITHOUT_CONTROL)} && has(self.stages) && self.stages.exists(stage, stage == 100.0))",
    "feedback is not evaluated at 100 percent, where there is no control group; remove 100 from stages",
)


class MetricGate(SpecModel):
    """Settings of one built-in gate, or a custom gate. Built-in gates that are not listed keep their defaults."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _NAMES_ITS_COUNTS,
            _COUNTS_TWO,
            _HAS_ONE_BOUND,
            _CUSTOM_HAS_A_BOUND,
            _MARGIN_LEAVES_ROOM,
            _FEEDBACK_HAS_NO_BOUND,
            _ONLY_FEEDBACK,
            _PER_CLASS_HAS_AT_LEAST,
            _HAS_NO_MARGIN,
            _HAS_NO_CORRECTIONS,
            _NOT_IN_SHADOW,
            _NOT_AT_FULL,
        )
    )

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][a-zA-Z0-9-]*$")] = Field(
        description=f"A built-in gate: {_listed(GateName)} (perClass is only on if listed); "
        "or any other name for a custom gate with good and total, or a histogram."
    )
    disabled: StrictBool = Field(default=False, description="Turn the gate off. Default: false.")
    dry_run: StrictBool = Field(
        default=False, description="Evaluate and show the gate without acting on it. Default: false."
    )
    at_least: Rate | None = Field(
        None,
        description="Minimum share of good, write 0.70 for 70 %. "
        f"Defaults: {', '.join(f'{gate} {share:.2f}' for gate, share in DEFAULT_AT_LEAST.items())}.",
    )
    at_most: Rate | None = Field(
        None,
        description="Maximum share of good. Default of lowConfidence: the share that the run's report states for these "
        "thresholds, plus 0.05.",
    )
    within: Range | None = Field(None, description="Bounds between which the share of good must be.")
    margin: Annotated[float, Strict(), Field(ge=0, lt=1)] = Field(
        0,
        description="Tolerance: the gate passes against a bound that is this much less strict, and fails against the "
        "bound itself. `serin lint` prints after how many requests a verdict is then certain. "
        "Not for feedback. Default: 0.",
    )
    stages: Annotated[tuple[Percent, ...], Field(min_length=1, max_length=21)] | None = Field(
        None,
        description="Stages, in percent, in which the gate is evaluated; 0 is the shadow. Default: all stages that "
        "the gate "
        "supports.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    design_effect: Annotated[float, Strict(), Field(ge=1, le=1000)] = Field(
        1,
        description="Correction for repeated requests of one user: both counts are divided by this. Default: 1 (none).",
    )
    initial_delay: Duration = Field(
        timedelta(), description="Ignore what is counted in this time after the stage began. Default: 0s."
    )
    required: StrictBool = Field(
        default=False,
        description="feedback only: the stage waits until this gate passes. Default: false (it can only fail).",
    )
    odds_ratio: Annotated[float, Strict(), Field(gt=1, le=20)] = Field(
        DEFAULT_ODDS_RATIO,
        description="feedback only: maximum ratio of the odds of a rejection in the canary to those in the control "
        "group. "
        "Default: 1.5.",
    )
    good: Selector | None = Field(
        None,
        description="Counter of good events, a metric with label matchers and no PromQL: "
        'shop_orders_total{code="200"}, or {"shop.orders",code="200"} for a name with other characters.',
    )
    total: Selector | None = Field(None, description="Counter of all events, in the same form.")
    histogram: Histogram | None = Field(None, description="A histogram and a bound, instead of good and total.")

    @property
    def is_custom(self) -> bool:
        """Whether this is a custom gate, which counts series of other processes."""
        return self.good is not None or self.total is not None or self.histogram is not None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        bounds = [one is not None for one in (self.at_least, self.at_most, self.within)]
        is_known = self.name in {gate.value for gate in GateName}
        low, high = self.at_least, self.at_most
        leaves_room = (low is None or self.margin < low) and (high is None or high + self.margin < 1)
        wrong = {
            _NAMES_ITS_COUNTS[1]: is_known == self.is_custom,
            _COUNTS_TWO[1]: (self.good is None) != (self.total is None)
            or (self.good is not None and self.histogram is not None),
            _HAS_ONE_BOUND[1]: sum(bounds) > 1,
            _CUSTOM_HAS_A_BOUND[1]: self.is_custom and not any(bounds),
            _MARGIN_LEAVES_ROOM[1]: not leaves_room or (self.within is not None and self.margin > 0),
            _FEEDBACK_HAS_NO_BOUND[1]: self.name == GateName.FEEDBACK and any(bounds),
            _ONLY_FEEDBACK[1]: self.name != GateName.FEEDBACK
            and (self.required or self.odds_ratio != DEFAULT_ODDS_RATIO),
            _PER_CLASS_HAS_AT_LEAST[1]: self.name == GateName.PER_CLASS and any(bounds[1:]),
            _HAS_NO_MARGIN[1]: self.name == GateName.FEEDBACK and self.margin > 0,
            _HAS_NO_CORRECTIONS[1]: self.name in _NO_CORRECTIONS
            and (self.design_effect != 1 or bool(self.initial_delay)),
            _NOT_IN_SHADOW[1]: self.name in NOT_IN_SHADOW and 0 in (self.stages or ()),
            _NOT_AT_FULL[1]: self.name in NOT_WITHOUT_CONTROL and _FULL in (self.stages or ()),
        }
        for message, holds in wrong.items():
            if holds:
                raise ValueError(message)
        return self


def _named_once(changes: tuple[MetricGate, ...]) -> tuple[MetricGate, ...]:
    gates = [change.name for change in changes]
    if len(set(gates)) < len(gates):
        raise ValueError("each gate may be listed once")
    return changes


_IS_NO_METRIC = "(!has(self.metrics) || !self.metrics.exists(m, m.name == q.name))"
_DISTINCT_NAMES = (
    f"!has(self.queries) || self.queries.all(q, !(q.name in {_quoted(GateName)}) && {_IS_NO_METRIC})",
    "a query may not have the name of another gate",
)


class Gates(SpecModel):
    """Criteria that a run must meet: offline (acceptance) and online (metrics, queries)."""

    model_config = ConfigDict(json_schema_extra=rules(_DISTINCT_NAMES))

    acceptance: Acceptance = Field(
        Acceptance(),
        description="Checked on the training report that the pods loaded, before the run answers any request.",
    )
    metrics: Annotated[tuple[MetricGate, ...], Field(max_length=16), AfterValidator(_named_once)] = Field(
        (),
        description="Settings of built-in gates, which are all on by default except perClass, and custom gates.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    queries: Queries = Field(
        (),
        description="PromQL queries whose result must stay within a bound, checked like alert rules.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )

    @model_validator(mode="after")
    def _has_distinct_names(self) -> Self:
        taken = {gate.value for gate in GateName} | {metric.name for metric in self.metrics}
        if any(query.name in taken for query in self.queries):
            raise ValueError(_DISTINCT_NAMES[1])
        return self
