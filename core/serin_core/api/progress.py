"""The progress deadline: its fields in the spec, and the progress of the pods in the status."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from serin_core.api.base import rules
from serin_core.api.clock import StoppableClock
from serin_core.api.durations import Duration

DEFAULT_DEADLINE = timedelta(minutes=10)

ProgressDeadline = Annotated[
    Duration,
    Field(
        ge=timedelta(seconds=1),
        description="Maximum time without another ready pod while pods load the candidate, or are replaced after an "
        "edit; then onProgressDeadline applies. Not counted while the rollout is suspended or paused. Default: 10m.",
        json_schema_extra=rules(("duration(self) >= duration('1s')", "must be at least 1s")),
    ),
]
OnProgressDeadline = Annotated[
    Literal["Hold", "Rollback"],
    Field(
        description="What happens if pods have not loaded the candidate by progressDeadline. Hold (default): wait, "
        "with the reason ProgressDeadlineExceeded in the condition Ready. Rollback: roll back; the run is rolled out "
        "again only on a retry request.",
    ),
]


class Progress(StoppableClock):
    """Progress of pods that load the candidate, or that replace those of a former template: time without any."""

    target: str = Field(description="What the pods are to reach; another target is another clock.")
    reached: int = Field(0, description="Largest number of pods that have reached it.")
