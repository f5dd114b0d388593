"""What a status keeps of the checks before the next step: what was asked, and the last answer."""

from enum import StrEnum

from pydantic import Field

from serin_core.api.base import Moment, StatusModel


class CheckVerdict(StrEnum):
    """What an endpoint answers."""

    PASS = "Pass"  # noqa: S105 - no password
    FAIL = "Fail"
    WAIT = "Wait"


class CheckStatus(StatusModel):
    """One check before one step of one attempt."""

    name: str = Field(description="Name of the check.")
    endpoint: str = Field(description="The endpoint that is asked.")
    id: str = Field(description="Id of the question; the same in each of its requests.")
    before: float = Field(description="The step, in percent, that waits for it.")
    since: Moment = Field(description="Time since which it is asked.")
    answers: int = Field(0, description="Number of answers and errors so far.")
    verdict: CheckVerdict | None = Field(None, description="Pass, Fail or Wait; absent without an answer.")
    message: str = Field("", description="The message of the last answer, or why there was none.")
    retry_at: Moment | None = Field(None, description="Time at which it is asked again.")

    @property
    def is_open(self) -> bool:
        """Whether it is still to be answered with Pass or Fail."""
        return self.verdict not in (CheckVerdict.PASS, CheckVerdict.FAIL)
