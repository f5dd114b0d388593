"""Query gates as users write them in `spec.gates.queries`: PromQL that returns one number, and a bound."""

from datetime import timedelta
from typing import Annotated, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, Strict, model_validator

from serin_core.api.base import Percent, SpecModel, rules
from serin_core.api.durations import Duration
from serin_core.api.gate_names import GateMode

MAX_QUERIES: Final = 8
DEFAULT_FOR: Final = timedelta(minutes=5)
_HAS_ONE_BOUND = ("has(self.atLeast) != has(self.atMost)", "set exactly one of atLeast and atMost")
Number = Annotated[float, Strict(), Field(ge=-1e15, le=1e15)]


class Query(SpecModel):
    """A query whose result must stay within a bound. It is checked like an alert rule, not statistically tested."""

    model_config = ConfigDict(json_schema_extra=rules(_HAS_ONE_BOUND))

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][a-zA-Z0-9-]*$")] = Field(
        description="Name of the gate: not that of another gate."
    )
    query: Annotated[str, Field(min_length=1, max_length=1024)] = Field(
        description="PromQL that returns one number, for example max(pool_used / pool_size). It is sent to "
        "analysis.prometheus."
    )
    at_least: Number | None = Field(None, description="Minimum of the result. Set this or atMost.")
    at_most: Number | None = Field(None, description="Maximum of the result. Set this or atLeast.")
    for_: Duration = Field(
        DEFAULT_FOR,
        alias="for",
        description="The gate fails if the bound is violated at every check for this long, and passes if it is met at "
        "every check for this long. Default: 5m.",
    )
    mode: GateMode = Field(
        GateMode.ENFORCE,
        description="Enforce (default): the gate can roll back, and must pass. DryRun: it is checked and shown, never "
        "acted on. Off: it is not checked.",
    )
    stages: Annotated[tuple[Percent, ...], Field(min_length=1, max_length=21)] | None = Field(
        None,
        description="Stages, in percent, in which the query is checked; 0 is the shadow. Default: all stages.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )

    @model_validator(mode="after")
    def _has_one_bound(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(_HAS_ONE_BOUND[1])
        return self


def _named_once(queries: tuple[Query, ...]) -> tuple[Query, ...]:
    if len({query.name for query in queries}) < len(queries):
        raise ValueError("each query may be listed once")
    return queries


Queries = Annotated[tuple[Query, ...], Field(max_length=MAX_QUERIES), AfterValidator(_named_once)]
"""The field `spec.gates.queries`."""
