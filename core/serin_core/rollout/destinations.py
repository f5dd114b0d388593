"""Destinations of notifications, as the operator sees them: which exist, what was delivered, and which fail.

Delivery is no part of a decision. It reports what it has done, and a pass takes that in like any other observation.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from serin_core.api.notifications import Notification, Notifications
from serin_core.api.spec import SuggestionModelSpec

FAILING = "NotificationsFailing"
"""Type of the condition that names destinations that do not get their notifications; the rollout goes on."""


@dataclass(frozen=True, slots=True)
class Report:
    """The end of the delivery of one notification to one destination."""

    destination: str
    sequence: int
    at: datetime
    """The time of the notification: after a loss of the status, numbers begin again."""
    told: int = 0
    """The number of dropped notifications that the destination was told of."""
    given_up: str = ""
    """Why it was not delivered; "" if it was."""

    def concerns(self, notification: Notification) -> bool:
        """Return whether this is the end of this notification."""
        is_same = (self.sequence, self.at) == (notification.sequence, notification.at)
        return is_same and self.destination in notification.to


@dataclass(frozen=True, slots=True)
class DestinationsSeen:
    """The destinations of the operator's configuration, and what delivery has to report about one resource."""

    kinds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By destination, the kinds that it wants; all if empty."""
    reports: tuple[Report, ...] = ()
    failing: Mapping[str, str] = field(default_factory=dict)
    """By destination, why notifications that wait cannot be delivered now."""

    def wanting(self, kind: str, named: Iterable[str]) -> tuple[str, ...]:
        """Return those of the destinations that are `named` that exist and want a kind."""
        return tuple(
            name for name in named if name in self.kinds and (not self.kinds[name] or kind in self.kinds[name])
        )


def settle(found: Notifications, spec: SuggestionModelSpec, seen: DestinationsSeen) -> Notifications:
    """Return what is still to be delivered, after the reports of delivery and without destinations not in spec."""
    dropped = {name: count for name, count in found.dropped.items() if name in spec.notifications}
    waiting = []
    for notification in found.waiting:
        ended = [report for report in seen.reports if report.concerns(notification)]
        for report in ended:
            before = dropped.pop(report.destination, 0)
            count = before + 1 if report.given_up else max(before - report.told, 0)
            if count and report.destination in spec.notifications:
                dropped[report.destination] = count
        gone = {report.destination for report in ended} | {
            name for name in notification.to if name not in spec.notifications
        }
        left = notification.without(frozenset(gone)) if gone else notification
        waiting += [left] if left.to else []
    return found.changed(waiting=tuple(waiting), dropped=dropped, sequence=found.sequence)


def problem(spec: SuggestionModelSpec, seen: DestinationsSeen) -> tuple[str, str] | None:
    """Return reason and message of the condition, None if every destination exists and none fails."""
    unknown = [name for name in spec.notifications if name not in seen.kinds]
    messages = []
    if unknown:
        known = ", ".join(sorted(seen.kinds)) or "none"
        messages.append(f"The operator's configuration has no {', '.join(unknown)} (destinations: {known})")
    failing = [f"{name}: {seen.failing[name]}" for name in spec.notifications if name in seen.failing]
    if failing:
        messages.append(f"Notifications wait and are tried again; the rollout goes on. {'; '.join(failing)}")
    return ("UnknownDestination" if unknown else "DeliveryFailing", ". ".join(messages)) if messages else None
