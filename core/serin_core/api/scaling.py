"""The number of server pods: fixed, left to whoever scales, or chosen by an autoscaler."""

from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, Strict, model_validator

from serin_core.api.base import SpecModel, rules

INITIAL_REPLICAS: Final = 2
"""Pods of a new Deployment whose number the spec does not set."""
MAX_REPLICAS: Final = 1000
ONE_OWNER: Final = "set replicas or autoscaling, not both; kubectl scale sets replicas"
ONE_OWNER_RULE: Final = ("!has(self.replicas) || !has(self.autoscaling)", ONE_OWNER)
_MIN_ABOVE_MAX: Final = "minReplicas must not be above maxReplicas"

Replicas = Annotated[int, Strict(), Field(ge=0, le=MAX_REPLICAS)]
_Bound = Annotated[int, Strict(), Field(ge=1, le=MAX_REPLICAS)]


class Autoscaling(SpecModel):
    """A HorizontalPodAutoscaler that the operator writes for the pods. It needs the metrics API (metrics-server)."""

    model_config = ConfigDict(json_schema_extra=rules(("self.minReplicas <= self.maxReplicas", _MIN_ABOVE_MAX)))

    min_replicas: _Bound = Field(INITIAL_REPLICAS, description="Minimum number of pods. Default: 2.")
    max_replicas: _Bound = Field(description="Maximum number of pods.")
    cpu_utilization: Annotated[int, Strict(), Field(ge=1, le=1000)] = Field(
        80, description="Average CPU of the pods to aim at, in percent of resources.requests.cpu. Default: 80."
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(_MIN_ABOVE_MAX)
        return self
