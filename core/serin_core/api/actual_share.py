"""The share of users and of requests that a candidate really served, beside the one that it was to serve."""

from pydantic import Field

from serin_core.api.base import StatusModel


class ActualShare(StatusModel):
    """What the candidate served in the current stage. Shown, and never judged: with few users it differs by chance."""

    wanted: float = Field(description="Percent of users that it was to serve.")
    users: float | None = Field(None, description="Percent of the counted users that were in the canary.")
    counted_users: float = Field(0, description="Users that were counted, in canary and control group.")
    requests: float | None = Field(None, description="Percent of the requests that the candidate answered.")
    counted_requests: float = Field(0, description="Requests that were counted.")

    def describe(self) -> str:
        """Return it as a phrase, `9.8 % of 1203 users, 8.1 % of 8211 requests (wanted: 10 % of users)`."""
        parts = [
            f"{percent:.1f} % of {number:.0f} {unit}"
            for percent, number, unit in (
                (self.users, self.counted_users, "users"),
                (self.requests, self.counted_requests, "requests"),
            )
            if percent is not None
        ]
        return f"{', '.join(parts)} (wanted: {self.wanted:g} % of users)"
