"""Options that several gates share. Every static rule is defined twice: as CEL and as a validator."""

from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, Strict, model_validator

from serin_core.api.base import Percent, Rate, SpecModel, rules
from serin_core.api.durations import Duration
from serin_core.api.gate_names import DEFAULT_ODDS_RATIO, GateMode

_IN_SHADOW: Final = "0 is the shadow"
CanaryPercent = Annotated[float, Strict(), Field(gt=0, le=100)]
DesignEffect = Annotated[float, Strict(), Field(ge=1, le=1000)]
Margin = Annotated[float, Strict(), Field(ge=0, lt=1)]
OddsRatio = Annotated[float, Strict(), Field(gt=1, le=20)]
Stages = Annotated[tuple[Percent, ...], Field(min_length=1, max_length=21)]
CanaryStages = Annotated[tuple[CanaryPercent, ...], Field(min_length=1, max_length=21)]


def stages_field(which: str = _IN_SHADOW) -> Any:
    """Return the field `stages`; `which` describes the stages that the gate supports."""
    text = f"Stages, in percent, in which the gate is evaluated; {which}. Default: all stages that the gate supports."
    return Field(None, description=text, json_schema_extra={"x-kubernetes-list-type": "set"})


def mode_field() -> Any:
    """Return the field `mode`."""
    return Field(
        GateMode.ENFORCE,
        description="Enforce: a failing gate rolls back. DryRun: evaluate and show the gate without acting on it. "
        '"Off" (in quotes: YAML reads Off as false): do not evaluate it. Default: Enforce.',
    )


def margin_field() -> Any:
    """Return the field `margin`."""
    return Field(
        0,
        description="Tolerance: the gate passes against a bound that is this much less strict, and fails against the "
        "bound itself. `serin lint` prints after how many requests a verdict is then certain. Default: 0.",
    )


def design_effect_field() -> Any:
    """Return the field `designEffect`."""
    return Field(
        1,
        description="Correction for repeated requests of one user: both counts are divided by this. Default: 1 (none).",
    )


def initial_delay_field() -> Any:
    """Return the field `initialDelay`."""
    return Field(timedelta(), description="Ignore what is counted in this time after the stage began. Default: 0s.")


def odds_ratio_field(of_what: str) -> Any:
    """Return the field `oddsRatio` of a comparison of canary and control group."""
    return Field(
        DEFAULT_ODDS_RATIO,
        description=f"Maximum ratio of the odds of {of_what} in the canary to those in the control group. "
        f"Default: {DEFAULT_ODDS_RATIO}.",
    )


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


MARGIN_BELOW_MINIMUM: Final = ("self.margin < self.atLeast", "margin must be below atLeast")
MARGIN_BELOW_REST: Final = (
    "!has(self.atMost) || self.atMost + self.margin < 1.0",
    "atMost and margin together must be below 1",
)


class GateSettings(SpecModel):
    """Options of every gate."""

    mode: GateMode = mode_field()
    stages: Stages | None = stages_field()


class BoundSettings(GateSettings):
    """Options of a gate with a bound."""

    margin: Margin = margin_field()


class RateSettings(BoundSettings):
    """Options of a gate on one rate."""

    design_effect: DesignEffect = design_effect_field()
    initial_delay: Duration = initial_delay_field()
