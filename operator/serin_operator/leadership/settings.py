"""The part of the operator's configuration that is about several operators."""

import hashlib
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from serin_operator.leadership.election import Timing
from serin_operator.settings_model import SettingsModel

LEASE_NAME: Final = "serin-operator-leader"
MAX_LEASE_SECONDS: Final = 600
_JITTER: Final = 1.2
"""As in Kubernetes' own client: a retry may be up to a fifth later."""


class LeaderElection(SettingsModel):
    """Which of several operators works. Times are those of Kubernetes' own controllers."""

    enabled: bool = True
    """Whether operators agree by a Lease on which of them works; without it, only one may run."""
    lease_name: Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$")] = ""
    """Name of the Lease in the operator's namespace; `serin-operator-leader`, and a hash of the selector, if empty."""
    lease_duration_seconds: Annotated[int, Field(ge=2, le=MAX_LEASE_SECONDS)] = 15
    """Time after the last renewal until another operator takes over."""
    renew_deadline_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Time after the last renewal until the leader stops working."""
    retry_period_seconds: Annotated[float, Field(ge=0.1)] = 2.0
    """Time between two renewals."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.renew_deadline_seconds >= self.lease_duration_seconds:
            raise ValueError("renewDeadlineSeconds must be less than leaseDurationSeconds")
        if self.renew_deadline_seconds <= _JITTER * self.retry_period_seconds:
            raise ValueError("renewDeadlineSeconds must be more than 1.2 times retryPeriodSeconds")
        return self

    def name_for(self, selector: str) -> str:
        """Return the name of the Lease of the operators with this selector."""
        if self.lease_name or not selector:
            return self.lease_name or LEASE_NAME
        return f"{LEASE_NAME}-{hashlib.sha256(selector.encode()).hexdigest()[:8]}"

    @property
    def timing(self) -> Timing:
        """The times as the election takes them."""
        return Timing(self.lease_duration_seconds, self.renew_deadline_seconds, self.retry_period_seconds)
