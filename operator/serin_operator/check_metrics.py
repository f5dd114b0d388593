"""Metrics of the requests to check endpoints: as many as the operator's configuration has."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from serin_core.api.check_status import CheckVerdict

ERROR: Final = "error"
OUTCOMES: Final = (*(verdict.value for verdict in CheckVerdict), ERROR)
BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class CheckMetrics:
    """Counters and durations of all endpoints."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "serin_operator_check_requests_total",
            "Requests to check endpoints that ended, by outcome.",
            ["endpoint", "outcome"],
            registry=registry,
        )
        self.seconds = Histogram(
            "serin_operator_check_request_duration_seconds",
            "Duration of a request to a check endpoint, with the time that it waits for its turn.",
            ["endpoint"],
            registry=registry,
            buckets=BUCKETS,
        )

    def expose(self, endpoints: Iterable[str]) -> None:
        """Expose every series of these endpoints from the start."""
        for endpoint in endpoints:
            self.seconds.labels(endpoint)
            for outcome in OUTCOMES:
                self.requests.labels(endpoint, outcome)

    def record(self, endpoint: str, verdict: CheckVerdict | None, seconds: float) -> None:
        """Record the result of a request."""
        self.requests.labels(endpoint, ERROR if verdict is None else verdict.value).inc()
        self.seconds.labels(endpoint).observe(seconds)
