"""What serves after a rollback, and which earlier runs can be restored."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, Strict

from serin_core.api.base import SpecModel

MAX_WINDOW: Final = 10


class Rollback(SpecModel):
    """What serves users after a rollback, and which runs can be restored."""

    to: Literal["Stable", "Rules"] = Field(
        "Stable",
        description="Stable (default): the run that was stable before (the rules if there is none). Rules: the rules.",
    )
    window: Annotated[int, Strict(), Field(ge=0, le=MAX_WINDOW)] = Field(
        3,
        description="Number of earlier promoted runs that can be restored: set in spec.runID, they serve without "
        "shadow and steps. 0: only the previous one, while pods have it loaded. Default: 3.",
    )


class SkippedTrial(StrEnum):
    """Why a run serves all users without shadow and steps."""

    NONE = ""
    RESTORED = "Restored"
    TRUSTED = "Trusted"
