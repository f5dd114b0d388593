"""Checks as users write them in `spec.gates.checks`: another system is asked before a step begins."""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field, Strict

from serin_core.api.base import Name, SpecModel, rules
from serin_core.api.durations import Duration

MAX_CHECKS: Final = 8
MIN_TIMEOUT: Final = timedelta(seconds=1)
MAX_TIMEOUT: Final = timedelta(minutes=5)
_TIMEOUT = ("duration(self) >= duration('1s') && duration(self) <= duration('5m')", "must be from 1s to 5m")


def _is_in_bounds(timeout: timedelta) -> timedelta:
    if not MIN_TIMEOUT <= timeout <= MAX_TIMEOUT:
        raise ValueError(_TIMEOUT[1])
    return timeout


StepPercent = Annotated[float, Strict(), Field(gt=0, le=100)]


class Check(SpecModel):
    """A system that is asked before a step begins, and lets it pass, delays it or has the run rolled back."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][a-zA-Z0-9-]*$")] = Field(
        description="Name of the check."
    )
    endpoint: Name = Field(description="Name of a check endpoint in the operator's configuration.")
    before: Annotated[tuple[StepPercent, ...], Field(min_length=1, max_length=20)] | None = Field(
        None,
        description="Steps, in percent, before which the check is made. Default: before every step.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    timeout: Annotated[Duration, AfterValidator(_is_in_bounds)] | None = Field(
        None,
        description="Maximum time of a request, from 1s to 5m. Default: that of the endpoint.",
        json_schema_extra=rules(_TIMEOUT),
    )


def _named_once(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    if len({check.name for check in checks}) < len(checks):
        raise ValueError("each check may be listed once")
    return checks


Checks = Annotated[tuple[Check, ...], Field(max_length=MAX_CHECKS), AfterValidator(_named_once)]
"""The field `spec.gates.checks`."""
