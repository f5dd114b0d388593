"""Metrics of rollbacks and of the records of trials."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from serin_core.api.status import Status

BUCKETS: Final = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Seconds; stragglers are evicted after 60 and deleted after 120."""


class RecordMetrics:
    """The metrics, in the registry of the operator."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rollback_seconds = Histogram(
            "serin_rollback_confirmed_seconds",
            "Time from the decision to roll a run back until every pod had confirmed it.",
            registry=registry,
            buckets=BUCKETS,
        )
        self.write_failures = Counter(
            "serin_operator_record_write_failures_total",
            "Writes of trial records that failed; they are tried again.",
            registry=registry,
        )

    def record_rollback(self, before: Status, after: Status) -> None:
        """Observe the time of a rollback that every pod has confirmed between two statuses."""
        known = before.rollback.confirmed_at if before.rollback is not None else None
        if after.rollback is not None and after.rollback.seconds is not None and after.rollback.confirmed_at != known:
            self.rollback_seconds.observe(after.rollback.seconds)
