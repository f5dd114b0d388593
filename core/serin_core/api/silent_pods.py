"""Ready pods that do not respond to the operator, as they are kept in the status."""

from pydantic import Field

from serin_core.api.base import Moment, StatusModel


class SilentPod(StatusModel):
    """A ready pod that does not respond to the operator."""

    uid: str = Field(description="UID of the pod.")
    since: Moment = Field(description="Time of its first failure to respond.")
    error: str = Field(description="The first error, which stays the same as long as the pod is silent.")
