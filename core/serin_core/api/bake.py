"""The bake of a promoted run: gates keep comparing it with the run before for a while."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import ConfigDict, Field, Strict, model_validator

from serin_core.api.base import Moment, SpecModel, rules
from serin_core.api.clock import StoppableClock
from serin_core.api.durations import Duration

_NEEDS_DURATION = "a holdback needs a duration above 0s"
HOLDBACK_TOO_LARGE = (
    "bake.holdback leaves less than the step before 100 percent: it must be at most 100 minus that step, for example 5"
)
_LEAVES_ENOUGH = (
    "!has(self.bake) || !has(self.bake.holdback) || !has(self.canary) || !has(self.canary.steps) || "
    "self.canary.steps.all(s, double(s.percent) == 100.0 || double(s.percent) <= 100.0 - double(self.bake.holdback))"
)
_HAS_DURATION = (
    "!has(self.holdback) || double(self.holdback) == 0.0 || "
    "(has(self.duration) && duration(self.duration) > duration('0s'))"
)
HOLDBACK_RULE = (_LEAVES_ENOUGH, HOLDBACK_TOO_LARGE)
"""CEL rule of the whole spec, with its message; `leaves_enough` is the same rule."""


class Bake(SpecModel):
    """Time after the last step in which gates still compare the run with the one before, which stays loaded."""

    model_config = ConfigDict(json_schema_extra=rules((_HAS_DURATION, _NEEDS_DURATION)))

    duration: Duration = Field(
        timedelta(),
        description="Time from the end of the last step until the bake ends. A failing gate returns users to the run "
        "before at once. 0s: no bake. Default: 0s.",
    )
    holdback: Annotated[float, Strict(), Field(ge=0, lt=100)] = Field(
        0,
        description="Percent of users who stay with the run before until the bake ends: the step of 100 percent serves "
        "the others. Default: 0.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.holdback > 0 and not self.duration:
            raise ValueError(_NEEDS_DURATION)
        return self

    def leaves_enough(self, percents: tuple[float, ...]) -> bool:
        """Return whether the holdback leaves at least the largest of these steps below 100 percent."""
        return all(percent <= 100 - self.holdback for percent in percents if percent < 100)  # noqa: PLR2004 - percent


class BakeClock(StoppableClock):
    """The bake of a candidate that has passed its last step, and for how long it has baked.

    Its timer is stopped while the rollout is suspended or paused, and while a stage restarts.
    """

    started_at: Moment = Field(description="Start of the bake.")
