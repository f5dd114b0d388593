"""Which holds are notified of: one that comes and goes is told once, not every half minute.

A hold that begins again within ten minutes of its end is told only when it has lasted for ten minutes, and its end only
if its beginning was. Events are posted all the same; they have a budget of their own.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from serin_core.api.notifications import ToldHolds
from serin_core.api.status import Status
from serin_core.rollout.announcements import HOLD_ENDED, PROBLEMS, Announcement
from serin_core.rollout.protocol import Context

QUIET: Final = timedelta(minutes=10)


def told(
    context: Context, announcements: Sequence[Announcement], before: Status
) -> tuple[tuple[Announcement, ...], ToldHolds]:
    """Return what is notified of in a pass, and which holds were told after it."""
    state = _State(context.status.notifications.holds, context.now)
    was, is_now = before.ready_reason, context.status.ready_reason
    has_told_end = was in PROBLEMS and was != is_now and state.end(was)
    # A transition may have the name of a problem: what it did is always told.
    event = "" if context.status.history[-1:] == before.history[-1:] else context.status.history[-1].event
    found = tuple(
        one for one in announcements if one.reason == event or _is_told(one, state, has_told_end=has_told_end)
    )
    ready, since = context.status.ready, context.status.ready_reason_since
    if ready is not None and since is not None and state.is_due(ready.reason, since):
        found = (*found, Announcement(ready.reason, ready.message, is_warning=True))
    return found, state.result()


def _is_told(announcement: Announcement, state: "_State", *, has_told_end: bool) -> bool:
    if announcement.reason == HOLD_ENDED:
        return has_told_end
    return announcement.reason not in PROBLEMS or state.begin(announcement.reason)


class _State:
    def __init__(self, known: ToldHolds, now: datetime) -> None:
        self._known, self._now, self._current, self._ended = known, now, known.current, dict(known.ended)

    def begin(self, kind: str) -> bool:
        """Return whether the beginning of a hold is told."""
        ended = self._ended.get(kind)
        if ended is not None and self._now - ended < QUIET:
            return False
        self._current = kind
        return True

    def end(self, kind: str) -> bool:
        """Return whether the end of a hold is told."""
        is_told = self._current == kind
        self._ended = {one: at for one, at in self._ended.items() if self._now - at < QUIET} | {kind: self._now}
        self._current = "" if is_told else self._current
        return is_told

    def is_due(self, kind: str, since: datetime) -> bool:
        """Return whether a hold whose beginning was not told has lasted long enough."""
        is_due = kind in PROBLEMS and kind in self._ended and self._current != kind and self._now - since >= QUIET
        self._current = kind if is_due else self._current
        return is_due

    def result(self) -> ToldHolds:
        return self._known.changed(current=self._current, ended=self._ended)
