"""Notifications: where a spec sends them, and what of them is still to be delivered.

A destination's address and credentials are in the operator's configuration only; a spec names destinations.
"""

from datetime import datetime
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from serin_core.api.base import Moment, StatusModel

MAX_DESTINATIONS: Final = 10
DESTINATION_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DestinationName = Annotated[str, Field(min_length=1, max_length=63, pattern=DESTINATION_PATTERN)]
"""Name of a destination in the operator's configuration."""


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("each destination can be named once")
    return names


Destinations = Annotated[tuple[DestinationName, ...], Field(max_length=MAX_DESTINATIONS), AfterValidator(_unique)]


class Notification(StatusModel):
    """What happened in one pass, until every destination has it."""

    sequence: int = Field(description="Number of the notification; it only grows.")
    at: Moment = Field(description="Time at which it happened.")
    kind: str = Field(description="What happened: the reason of the Event.")
    message: str = Field(description="What happened, in a sentence.")
    is_warning: bool = Field(default=False, alias="warning", description="Whether the Event is a Warning.")
    run_id: str = Field("", alias="runID", description="The run that it concerns.")
    phase: str = Field("", description="Phase of the resource afterwards.")
    percent: float = Field(0, description="Percent of users that the candidate may serve afterwards.")
    by: str = Field("operator", description="Who caused it: the operator, or a manual request.")
    to: tuple[str, ...] = Field((), description="Destinations that it is still to be delivered to.")

    def without(self, destinations: frozenset[str]) -> "Notification":
        """Return it without these destinations."""
        return self._copy({"to": tuple(name for name in self.to if name not in destinations)})


class ToldHolds(StatusModel):
    """Holds that were notified of."""

    current: str = Field("", description="Reason of Ready whose beginning was told, and whose end was not yet.")
    ended: dict[str, Moment] = Field(default_factory=dict, description="By reason of Ready, when it last ended.")

    def changed(self, *, current: str, ended: dict[str, datetime]) -> "ToldHolds":
        """Return them after a change."""
        return self._copy({"current": current, "ended": ended})


class Notifications(StatusModel):
    """Notifications that are still to be delivered."""

    sequence: int = Field(0, description="Number of the last notification.")
    waiting: tuple[Notification, ...] = Field(
        (), description="Those that a destination still has to get, oldest first."
    )
    dropped: dict[str, int] = Field(
        default_factory=dict, description="By destination: notifications that were given up since its last delivery."
    )
    holds: ToldHolds = Field(ToldHolds(), description="Holds that were notified of.")

    def with_holds(self, holds: ToldHolds) -> "Notifications":
        """Return them with other holds that were told."""
        return self._copy({"holds": holds})

    def changed(self, *, waiting: tuple[Notification, ...], dropped: dict[str, int], sequence: int) -> "Notifications":
        """Return them after a change."""
        return self._copy({"waiting": waiting, "dropped": dropped, "sequence": sequence})
