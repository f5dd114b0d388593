"""What is known of the drift of a run's inputs, as status keeps it."""

from typing import Literal

from pydantic import Field

from serin_core.api.base import Moment, StatusModel


class InputDrift(StatusModel):
    """Whether what users ask a run still looks like the rows that it was evaluated on."""

    run_id: str = Field(alias="runID", description="The run whose inputs are compared.")
    drifted: Literal["True", "False", "Unknown"] = Field(
        description="Status of the condition Drifted; Unknown if there are too few requests to tell."
    )
    features: tuple[str, ...] = Field((), description="Features that have drifted.")
    since: Moment | None = Field(None, description="Time at which the first of them was found; absent without any.")
