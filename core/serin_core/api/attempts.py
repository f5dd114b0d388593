"""How often each run was rolled out: a part of the status."""

from typing import Final

from pydantic import Field

from serin_core.api.base import StatusModel

MAX_RUNS: Final = 100
"""Runs whose attempts are kept; the one that was named the longest time ago is forgotten first."""


class RunAttempts(StatusModel):
    """The number of attempts to roll a run out."""

    run_id: str = Field(alias="runID", description="Name of the run.")
    attempt: int = Field(description="Number of its last attempt.")
