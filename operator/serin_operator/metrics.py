"""The operator's own metrics, and a small server for /healthz, /readyz and /metrics."""

import asyncio
import ssl
import time
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from serin_core.api.status import Status
from serin_core.counting.reading import Unreadable
from serin_core.counting.server_counters import Reading
from serin_core.rollout.decide import Decision
from serin_core.rollout.observation import NOT_ASKED
from serin_core.rollout.table import TABLE
from serin_operator.check_metrics import CheckMetrics
from serin_operator.notifications.metrics import NotificationMetrics
from serin_operator.record_metrics import RecordMetrics
from serin_operator.resource_metrics import ResourceMetrics

RESULTS = ("changed", "unchanged", "conflict", "refused", "gone", "unselected", "deleting", "invalid", "error")
EVENTS = tuple(dict.fromkeys(row.event for row in TABLE))
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds; a reconcile and a query end after 60 at the latest."""
READINGS = ("Read", "Stale", "LabelsChanged", "Unreachable", "QueryError", "UnknownEndpoint")


class OperatorMetrics:
    """The metrics, in a registry of their own. `depth` returns the length of the work queue, `known` its resources."""

    def __init__(
        self,
        depth: Callable[[], int],
        is_leader: Callable[[], bool] = lambda: True,
        known: Callable[[], int] = lambda: 0,
    ) -> None:
        self.registry = CollectorRegistry()
        Gauge(
            "serin_operator_leader", "1 if this operator leads, 0 if it stands by.", registry=self.registry
        ).set_function(lambda: float(is_leader()))
        Gauge(
            "serin_operator_suggestionmodels",
            "SuggestionModels that this operator works on, or would if it led.",
            registry=self.registry,
        ).set_function(known)
        self.reconciles = Counter(
            "serin_operator_reconcile_total", "Reconciles by result.", ["result"], registry=self.registry
        )
        self.resources = ResourceMetrics()
        self.records = RecordMetrics(self.registry)
        self.seconds = Histogram(
            "serin_operator_reconcile_duration_seconds",
            "Duration of a reconcile.",
            registry=self.registry,
            buckets=BUCKETS,
        )
        self.query_seconds = Histogram(
            "serin_operator_query_duration_seconds",
            "Duration of a query of Prometheus, with the time that it waits for its turn.",
            ["endpoint"],
            registry=self.registry,
            buckets=BUCKETS,
        )
        self.checks = CheckMetrics(self.registry)
        self.transitions = Counter(
            "serin_operator_transitions_total",
            "Transitions of rollouts by event.",
            ["event"],
            registry=self.registry,
        )
        self.readings = Counter(
            "serin_operator_readings_total",
            "Queries for the counts of a stage by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self.notifications = NotificationMetrics(self.registry)
        self.last_event = Gauge(
            "serin_operator_watch_last_event_timestamp_seconds",
            "Time of the last watch event, relevant or not.",
            registry=self.registry,
        )
        depth_gauge = Gauge(
            "serin_operator_workqueue_depth", "Resources that wait for a worker.", registry=self.registry
        )
        depth_gauge.set_function(depth)
        for counter, values in ((self.reconciles, RESULTS), (self.transitions, EVENTS), (self.readings, READINGS)):
            for value in values:
                counter.labels(value)

    def record_reading(self, reading: Reading) -> None:
        """Count the outcome of a query for counts, if there was one."""
        if reading != NOT_ASKED:
            self.readings.labels(reading.reason if isinstance(reading, Unreadable) else "Read").inc()

    def record_decision(self, namespace: str, name: str, before: Status | None, decision: Decision) -> None:
        """Count the transition that a pass took, if any, once it is in status."""
        for announcement in decision.announcements:
            self.record_event(announcement.reason)
        self.resources.record_transition(namespace, name, before or Status(), decision.status)
        self.records.record_rollback(before or Status(), decision.status)

    def record_event(self, reason: str) -> None:
        """Count an Event if it is one of the transition table."""
        if reason in EVENTS:
            self.transitions.labels(reason).inc()

    def record_query(self, endpoint: str, seconds: float) -> None:
        """Record the duration of a query of a configured endpoint."""
        self.query_seconds.labels(endpoint).observe(seconds)

    def record_failure(self) -> None:
        """Count a reconcile that ended in an exception."""
        self.reconciles.labels("error").inc()

    async def text(self) -> bytes:
        """Return all metrics in the text format. With many resources, other tasks go on meanwhile."""
        for _ in self.resources.exposition.update():
            await asyncio.sleep(0)
        return generate_latest(self.registry) + self.resources.exposition.text().encode()

    def record_watch_event(self) -> None:
        """Record the time of a watch event."""
        self.last_event.set(time.time())


async def serve(  # noqa: PLR0913 - by name
    metrics: OperatorMetrics,
    *,
    host: str,
    port: int,
    problem: Callable[[], str],
    hang: Callable[[], str] = str,
    tls: ssl.SSLContext | None = None,
) -> web.AppRunner:
    """Serve until the returned runner is cleaned up: ready while `problem` returns "", alive while `hang` does.

    With `tls` it serves HTTPS. Raises OSError.
    """

    async def healthz(_request: web.Request) -> web.Response:
        return _health(hang())

    async def readyz(_request: web.Request) -> web.Response:
        return _health(problem())

    async def expose(_request: web.Request) -> web.Response:
        body = await metrics.text()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", expose)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    # Given `::`, asyncio would listen on IPv6 alone; given nothing, on every address that the machine has.
    await web.TCPSite(runner, None if host == "::" else host, port, ssl_context=tls).start()
    return runner


def _health(problem: str) -> web.Response:
    return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)
