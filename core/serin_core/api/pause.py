"""A pause of a rollout, as status keeps it."""

from pydantic import Field

from serin_core.api.base import Moment, StatusModel


class Pause(StatusModel):
    """A pause that a user requested; it ends with `resume`, or with the rollout."""

    since: Moment = Field(description="Time at which it began.")
    by: str = Field("", description="User who requested it, as the request names them; empty if it names nobody.")
    reason: str = Field("", description="Reason that the user gave; empty if none.")
