"""A hold of the next step, as status keeps it."""

from pydantic import Field

from serin_core.api.base import Moment, StatusModel


class HoldSince(StatusModel):
    """What holds the next step although the stage is over, and since when."""

    reason: str = Field(description="AwaitingApproval, OutsideWindow or Frozen.")
    at: Moment = Field(alias="since", description="Time at which the step was first held for this reason.")
