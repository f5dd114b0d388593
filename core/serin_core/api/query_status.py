"""What a status keeps of a query gate: the last result, and since when its bound is met or violated."""

from pydantic import Field

from serin_core.api.base import Moment, StatusModel


class QueryStatus(StatusModel):
    """A query in the current stage."""

    query: str = Field(description="The query.")
    held_for: float = Field(alias="for", description="Seconds for which the bound must be met or violated.")
    value: float | None = Field(None, description="The last result; absent without one.")
    met_since: Moment | None = Field(None, description="Time since which every check found the bound met.")
    violated_since: Moment | None = Field(None, description="Time since which every check found the bound violated.")
    checked_at: Moment | None = Field(None, description="Time of the last check that had a result.")
