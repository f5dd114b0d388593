"""Options of each built-in gate: a gate has only the options that change something.

What each gate counts is defined in contract/gate_catalog.py.
"""

from typing import Any, Final, Self

from pydantic import ConfigDict, Field, StrictBool, model_validator

from serin_core.api.base import Rate, rules
from serin_core.api.gate_names import DEFAULT_AT_LEAST, DEFAULT_AT_MOST, GateName
from serin_core.api.gate_options import (
    MARGIN_BELOW_MINIMUM,
    MARGIN_BELOW_REST,
    BoundSettings,
    CanaryStages,
    GateSettings,
    OddsRatio,
    RateSettings,
    odds_ratio_field,
    stages_field,
)

_IN_CANARY: Final = "the shadow has no such answers"
_WITH_CONTROL: Final = "the shadow has no control group, and 100 percent only with bake.holdback"


def _at_least(gate: GateName) -> Any:
    share = DEFAULT_AT_LEAST[gate]
    return Field(share, description=f"Minimum share, write 0.70 for 70 %. Default: {share:.2f}.")


class MinimumSettings(BoundSettings):
    """Options of a gate with a minimum."""

    model_config = ConfigDict(json_schema_extra=rules(MARGIN_BELOW_MINIMUM))

    at_least: Rate

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if self.margin >= self.at_least:
            raise ValueError(MARGIN_BELOW_MINIMUM[1])
        return self


class AtLeastGate(MinimumSettings, RateSettings):
    """Options of a gate on one rate with a minimum."""


class AvailabilityGate(AtLeastGate):
    """Options of the gate availability."""

    at_least: Rate = _at_least(GateName.AVAILABILITY)


class ErrorsGate(AtLeastGate):
    """Options of the gate errors."""

    at_least: Rate = _at_least(GateName.ERRORS)


class LatencyGate(AtLeastGate):
    """Options of the gate latency."""

    at_least: Rate = _at_least(GateName.LATENCY)


class AgreementGate(AtLeastGate):
    """Options of the gate agreement."""

    at_least: Rate = _at_least(GateName.AGREEMENT)


class AcceptedRatioGate(AtLeastGate):
    """Options of the gate acceptedRatio."""

    at_least: Rate = _at_least(GateName.ACCEPTED_RATIO)
    stages: CanaryStages | None = stages_field(_IN_CANARY)


class AtMostGate(RateSettings):
    """Options of a gate on one rate with a maximum."""

    model_config = ConfigDict(json_schema_extra=rules(MARGIN_BELOW_REST))

    at_most: Rate | None
    stages: CanaryStages | None = stages_field(_IN_CANARY)

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if self.at_most is not None and self.at_most + self.margin >= 1:
            raise ValueError(MARGIN_BELOW_REST[1])
        return self


class LowConfidenceGate(AtMostGate):
    """Options of the gate lowConfidence."""

    at_most: Rate | None = Field(
        None,
        description="Maximum share, write 0.15 for 15 %. Default: the share that the run's report states for these "
        "thresholds, plus 0.05.",
    )


class FeedbackGate(GateSettings):
    """Options of the gate feedback."""

    required: StrictBool = Field(
        default=False, description="The stage waits until this gate passes. Default: false (it can only fail)."
    )
    odds_ratio: OddsRatio = odds_ratio_field("a rejection")
    stages: CanaryStages | None = stages_field(_WITH_CONTROL)


class PerClassGate(MinimumSettings):
    """Options of the gate perClass."""

    at_least: Rate = _at_least(GateName.PER_CLASS)


class FallbackGate(AtMostGate):
    """Options of the gate fallback."""

    at_most: Rate | None = Field(
        DEFAULT_AT_MOST[GateName.FALLBACK],
        description=f"Maximum share, write 0.05 for 5 %. Default: {DEFAULT_AT_MOST[GateName.FALLBACK]:.2f}.",
    )


BuiltInSettings = AtLeastGate | AtMostGate | FeedbackGate | PerClassGate
"""Options of one built-in gate."""
