"""Custom gates: counters of the user's own services. Every static rule is defined twice: as CEL and as a validator."""

from collections.abc import Iterable
from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, Strict, model_validator

from serin_core.api.base import Rate, SpecModel, rules
from serin_core.api.gate_names import DEFAULT_ODDS_RATIO, GateName
from serin_core.api.gate_options import MARGIN_BELOW_REST, OddsRatio, Range, RateSettings, odds_ratio_field
from serin_core.api.selectors import Selector


class Histogram(SpecModel):
    """Histogram of a custom gate: observations up to `le` are good, all observations are the total."""

    metric: Selector = Field(
        description='Name without _bucket, with label matchers if needed: http_request_seconds{job="shop"}.'
    )
    le: Annotated[float, Strict(), Field(gt=0)] = Field(
        description="Upper bound of the bucket; the histogram must have a bucket with exactly this bound."
    )


class Control(SpecModel):
    """Counters of the control group."""

    good: Selector = Field(description="Counter of good events in the control group.")
    total: Selector = Field(description="Counter of all events in the control group.")


def quoted(gates: Iterable[GateName]) -> str:
    """Return a list of names in CEL."""
    return "[" + ", ".join(f"'{gate.value}'" for gate in gates) + "]"


_IS_NOT_BUILT_IN: Final = (
    f"!(self.name in {quoted(GateName)})",
    f"a custom gate needs a name that no built-in gate has ({', '.join(GateName)})",
)
_COUNTS_TWO: Final = (
    "has(self.good) == has(self.total) && has(self.good) != has(self.histogram)",
    "a custom gate needs either good and total, or a histogram",
)
_HAS_ONE_BOUND: Final = (
    "[has(self.atLeast), has(self.atMost), has(self.within), has(self.control)].filter(b, b).size() == 1",
    "a custom gate needs exactly one of atLeast, atMost, within and control",
)
_CONTROL_COUNTS: Final = ("!has(self.control) || has(self.good)", "control needs good and total, not a histogram")
_PLAIN: Final = "self.margin == 0.0 && self.designEffect == 1.0 && duration(self.initialDelay) == duration('0s')"
_NO_CORRECTIONS: Final = (
    f"!has(self.control) || ({_PLAIN})",
    "margin, designEffect and initialDelay have no effect with control; use oddsRatio",
)
_NOT_IN_SHADOW: Final = (
    "!has(self.control) || !has(self.stages) || self.stages.all(s, double(s) > 0.0)",
    "in the shadow there is no control group; remove 0 from stages",
)
_ODDS_OF_CONTROL: Final = (
    f"has(self.control) || self.oddsRatio == {DEFAULT_ODDS_RATIO}",
    "oddsRatio goes with control only",
)
_MARGIN_BELOW_MINIMUM: Final = (
    "!has(self.atLeast) || self.margin < self.atLeast",
    "margin must be below atLeast",
)
_NO_MARGIN_WITHIN: Final = ("!has(self.within) || self.margin == 0.0", "margin does not go with within")


class CustomGate(RateSettings):
    """A gate on counters of your own services: the same statistical test as that of the built-in gates."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _IS_NOT_BUILT_IN,
            _COUNTS_TWO,
            _HAS_ONE_BOUND,
            _MARGIN_BELOW_MINIMUM,
            MARGIN_BELOW_REST,
            _NO_MARGIN_WITHIN,
            _CONTROL_COUNTS,
            _NO_CORRECTIONS,
            _NOT_IN_SHADOW,
            _ODDS_OF_CONTROL,
        )
    )

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][a-zA-Z0-9-]*$")] = Field(
        description="Name of the gate, as it appears in the status; not that of a built-in gate."
    )
    at_least: Rate | None = Field(None, description="Minimum share of good, write 0.70 for 70 %.")
    at_most: Rate | None = Field(None, description="Maximum share of good.")
    within: Range | None = Field(None, description="Bounds between which the share of good must be.")
    good: Selector | None = Field(
        None,
        description="Counter of good events, a metric with label matchers and no PromQL: "
        'shop_orders_total{code="200"}, or {"shop.orders",code="200"} for a name with other characters.',
    )
    total: Selector | None = Field(None, description="Counter of all events, in the same form.")
    histogram: Histogram | None = Field(None, description="A histogram and a bound, instead of good and total.")
    control: Control | None = Field(
        None,
        description="The same counters of the control group, instead of a bound: good and total are then those of the "
        "canary, and both are compared.",
    )
    odds_ratio: OddsRatio = odds_ratio_field("a bad event")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        low, high = self.at_least, self.at_most
        pair = (self.good is not None, self.total is not None)
        wrong = {
            _IS_NOT_BUILT_IN[1]: self.name in {gate.value for gate in GateName},
            _COUNTS_TWO[1]: pair[0] != pair[1] or pair[0] == (self.histogram is not None),
            _HAS_ONE_BOUND[1]: sum(one is not None for one in (low, high, self.within, self.control)) != 1,
            _MARGIN_BELOW_MINIMUM[1]: low is not None and self.margin >= low,
            MARGIN_BELOW_REST[1]: high is not None and high + self.margin >= 1,
            _NO_MARGIN_WITHIN[1]: self.within is not None and self.margin > 0,
            _ODDS_OF_CONTROL[1]: self.control is None and self.odds_ratio != DEFAULT_ODDS_RATIO,
        }
        if self.control is not None:
            wrong |= {
                _CONTROL_COUNTS[1]: self.good is None,
                _NO_CORRECTIONS[1]: self.margin > 0 or self.design_effect != 1 or bool(self.initial_delay),
                _NOT_IN_SHADOW[1]: 0 in (self.stages or ()),
            }
        for message, holds in wrong.items():
            if holds:
                raise ValueError(message)
        return self
