"""How long a candidate may serve users that no operator watches."""

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from serin_core.api.base import Moment, StatusModel, rules
from serin_core.api.durations import Duration

MIN_TIMEOUT: Final = timedelta(minutes=1)
"""Shorter times would end the canary at each restart of the operator."""
_MESSAGE: Final = "must be at least 1m, or 0s to switch it off"


def _off_or_long_enough(timeout: timedelta) -> timedelta:
    if timedelta() < timeout < MIN_TIMEOUT:
        raise ValueError(_MESSAGE)
    return timeout


SupervisionTimeout = Annotated[Duration, AfterValidator(_off_or_long_enough)]
SUPERVISION_TIMEOUT: Final[Any] = Field(
    timedelta(hours=1),
    description="How long pods serve the candidate without a status request of the operator, at least 1m; then they "
    "answer with the stable run (or the rules) until the operator is back. 0s: without a limit. Default: 1h.",
    json_schema_extra=rules(("duration(self) == duration('0s') || duration(self) >= duration('1m')", _MESSAGE)),
)


class Supervision(StatusModel):
    """Pods that had answered without the candidate, because no operator had asked for their status."""

    until: Moment | None = Field(None, description="Time at which an operator last found such pods.")
    pods: int = Field(0, description="Number of pods that it found.")
    seconds: float = Field(0, description="Longest time for which one of them had answered without the candidate.")
    known: dict[str, float] = Field(
        default_factory=dict, description="Seconds without the candidate that were reported, by uid of the pod."
    )
