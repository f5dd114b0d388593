"""A clock that can be stopped, as status keeps it: of a bake, and of pods that are to make progress."""

from datetime import datetime, timedelta
from typing import Self

from pydantic import Field

from serin_core.api.base import Moment, StatusModel


class StoppableClock(StatusModel):
    """A time that counts while its timer runs."""

    elapsed: float = Field(0, description="Seconds up to runningSince.")
    running_since: Moment | None = Field(None, description="Start of the running timer; absent while it is stopped.")

    def at(self, now: datetime) -> timedelta:
        """Return the time that it has counted."""
        running = now - self.running_since if self.running_since is not None else timedelta()
        return timedelta(seconds=self.elapsed) + max(running, timedelta())

    def ends_at(self, duration: timedelta) -> datetime | None:
        """Return when it will have counted a duration; None while its timer is stopped."""
        if self.running_since is None:
            return None
        return self.running_since + duration - timedelta(seconds=self.elapsed)

    def without(self, length: timedelta, now: datetime) -> Self:
        """Return it with this time before `now` not counted."""
        if self.running_since is None:
            return self
        return self._copy({"running_since": min(now, self.running_since + length)})

    def run(self, now: datetime, *, is_running: bool) -> Self:
        """Return it with its timer running or stopped from `now` on."""
        if is_running is (self.running_since is not None):
            return self
        elapsed = self.at(now).total_seconds()
        return self._copy({"elapsed": elapsed, "running_since": now if is_running else None})
