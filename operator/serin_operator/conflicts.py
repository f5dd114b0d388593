"""Passes that end with a conflict again and again: whatever a pass has decided is then never written."""

from datetime import datetime, timedelta
from typing import Final

from serin_core.rollout.decide import Announcement
from serin_operator.interfaces import ConflictError

REPORTED_AFTER: Final = timedelta(seconds=30)
"""Conflicts are normal, also some in a row: a controller and a user write the same objects."""


class Conflicts:
    """Since when each resource has had nothing but conflicts. Kept in memory: a new operator counts from its start."""

    def __init__(self) -> None:
        self._since: dict[object, datetime] = {}
        self._reported: set[object] = set()

    def record(self, key: object, error: ConflictError, now: datetime) -> tuple[Announcement, ...]:
        """Record a conflict; return an Event if they have lasted too long, once until a pass succeeds."""
        since = self._since.setdefault(key, now)
        if now - since < REPORTED_AFTER or key in self._reported:
            return ()
        self._reported.add(key)
        message = (
            f"Writes have conflicted since {since:%H:%M:%S} UTC: something else changes an object each time ({error}), "
            "so that what was decided is not carried out. kubectl get -o yaml --show-managed-fields shows who it is"
        )
        return (Announcement("WritesConflict", message, is_warning=True),)

    def clear(self, key: object) -> None:
        """A pass succeeded, or the resource is gone."""
        self._since.pop(key, None)
        self._reported.discard(key)
