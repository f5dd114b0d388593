"""Metrics of the delivery of notifications, by destination: as many as the operator's configuration has."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

OUTCOMES: Final = ("delivered", "failed", "dropped")
BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class NotificationMetrics:
    """Counters and gauges of all destinations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "serin_operator_notifications_total",
            "Attempts to deliver a notification that ended, by outcome.",
            ["destination", "outcome"],
            registry=registry,
        )
        self.seconds = Histogram(
            "serin_operator_notification_duration_seconds",
            "Duration of an attempt to deliver a notification.",
            ["destination"],
            registry=registry,
            buckets=BUCKETS,
        )
        self.waiting = Gauge(
            "serin_operator_notifications_waiting",
            "Notifications that wait for a destination.",
            ["destination"],
            registry=registry,
        )
        self.failing_since = Gauge(
            "serin_operator_notifications_failing_since_timestamp_seconds",
            "Time since which every attempt has failed; 0 if the last one did not.",
            ["destination"],
            registry=registry,
        )

    def expose(self, destination: str) -> None:
        """Expose every series of a destination from the start."""
        for outcome in OUTCOMES:
            self.attempts.labels(destination, outcome)
        for series in (self.seconds, self.waiting, self.failing_since):
            series.labels(destination)
