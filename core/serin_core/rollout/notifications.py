"""Which notifications are due after a pass: one for each of its Events and each destination that wants its kind.

They are part of the status that has the transition itself, so that none is lost, whenever the operator ends.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from serin_core.api.notifications import Notification, Notifications
from serin_core.api.status import Status
from serin_core.rollout import told_holds
from serin_core.rollout.announcements import Announcement
from serin_core.rollout.destinations import FAILING
from serin_core.rollout.protocol import Context

MAX_WAITING: Final = 32
"""Notifications of one resource that wait; the oldest is dropped for a newer one."""
MAX_MESSAGE: Final = 1000
DROPPED: Final = "NotificationDropped"


def queue(context: Context, announcements: Sequence[Announcement], before: Status) -> Status:
    """Return the status with a notification for each Event that a destination wants."""
    if not context.spec.notifications:
        return context.status
    announcements, holds = told_holds.told(context, announcements, before)
    found, seen = context.status.notifications.with_holds(holds), context.observed.destinations
    waiting, dropped, sequence = list(found.waiting), Counter(found.dropped), found.sequence
    for announcement in announcements:
        to = seen.wanting(announcement.reason, context.spec.notifications)
        if announcement.reason != FAILING and to:
            sequence += 1
            waiting.append(_notification(context, announcement, sequence, to))
    for old in waiting[:-MAX_WAITING]:
        dropped.update(old.to)
    kept = found.changed(waiting=tuple(waiting[-MAX_WAITING:]), dropped=dict(dropped), sequence=sequence)
    return context.status.changed(notifications=kept)


def _notification(context: Context, announcement: Announcement, sequence: int, to: tuple[str, ...]) -> Notification:
    status = context.status
    entry = next((one for one in status.history[-1:] if one.event == announcement.reason), None)
    run = status.candidate or status.stable
    return Notification(
        sequence=sequence,
        at=context.now,
        kind=announcement.reason,
        message=announcement.message[:MAX_MESSAGE],
        is_warning=announcement.is_warning,
        run_id=entry.run_id if entry is not None else "" if run is None else run.run_id,
        phase=status.phase.value,
        percent=0.0 if status.rollout is None else status.rollout.percent,
        by="operator" if entry is None else entry.by,
        to=to,
    )


def dropped_events(context: Context, before: Notifications) -> Iterator[Announcement]:
    """Yield an Event for each notification that was given up, and one when too many wait for a destination."""
    given_up = set()
    for notification in before.waiting:
        for report in context.observed.destinations.reports:
            if report.given_up and report.concerns(notification):
                given_up.add(report.destination)
                message = f"{notification.kind} was not delivered to {report.destination}: {report.given_up}"
                yield Announcement(DROPPED, message, is_warning=True)
    for name in context.status.notifications.dropped:
        if name not in before.dropped and name not in given_up:
            message = f"More than {MAX_WAITING} notifications wait for {name}; the oldest ones are dropped"
            yield Announcement(DROPPED, message, is_warning=True)
