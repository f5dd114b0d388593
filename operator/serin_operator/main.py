"""The operator's process: reads its configuration, starts the parts and shuts them down."""

import argparse
import asyncio
import contextlib
import logging
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from serin_operator.apply import Applier
from serin_operator.background import keep_running
from serin_operator.check import find_problem
from serin_operator.check_caller import CheckCaller
from serin_operator.check_client import CheckClient
from serin_operator.gather import Gatherer
from serin_operator.heartbeat import Heartbeat
from serin_operator.interfaces import ClusterError
from serin_operator.kubernetes_client import KubernetesClient
from serin_operator.logs import configure_logs
from serin_operator.metrics import OperatorMetrics, serve
from serin_operator.notifications.delivery import Delivery
from serin_operator.notifications.senders import with_senders
from serin_operator.object_ref import Key
from serin_operator.pod_client import PodClient
from serin_operator.pod_reports import PodReports
from serin_operator.prometheus_client import PrometheusClient
from serin_operator.readings import Readings
from serin_operator.reconcile import Reconciler
from serin_operator.records import RecordKeeper
from serin_operator.resource_metrics import cause_of
from serin_operator.settings import Settings, SettingsError
from serin_operator.stage_reader import StageReader
from serin_operator.watch import cancel_on_signals, watch
from serin_operator.work_queue import Result, WorkQueue, work

log = logging.getLogger("serin_operator")
RECONCILE_TIMEOUT: Final = 60.0
DEFAULT_CONFIG: Final = Path("/etc/serin/operator/config.yaml")


def main() -> None:
    """Run until SIGTERM (exit status 0) or a failure (1), or only check. Exit with status 2 for a bad configuration."""
    parser = argparse.ArgumentParser(prog="serin-operator", description="The Serin operator.")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="configuration file (%(default)s)")
    parser.add_argument(
        "--check",
        metavar="NAMESPACE/DEPLOYMENT",
        help="check whether these operators are ready and SuggestionModels are served, and end",
    )
    arguments = parser.parse_args()
    if arguments.check:
        sys.exit(asyncio.run(find_problem(arguments.check)) or None)
    try:
        settings = Settings.load(arguments.config)
    except SettingsError as error:
        print(f"serin-operator: {error}", file=sys.stderr)  # noqa: T201 - the log is not set up yet
        sys.exit(2)
    configure_logs(as_json=settings.json_logs, addresses=settings.addresses())
    try:
        asyncio.run(run(settings))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return
    except ClusterError as error:
        sys.exit(f"serin-operator: {error}")


async def run(settings: Settings) -> None:
    """Start the parts and work until cancelled. Raises ClusterError without a way to the API server."""
    cancel_on_signals(asyncio.current_task())
    queue: WorkQueue[Key] = WorkQueue(clock=time.monotonic)
    metrics = OperatorMetrics(queue.depth)
    async with contextlib.AsyncExitStack() as stack:
        cluster = await KubernetesClient.connect()
        stack.push_async_callback(cluster.close)
        pods = PodClient()
        stack.push_async_callback(pods.close)
        reports: PodReports[Key] = PodReports(pods, enqueue=queue.add)
        stack.push_async_callback(reports.close)
        prometheus = PrometheusClient(settings.prometheus, threads=settings.workers, record=metrics.record_query)
        stack.callback(prometheus.close)
        gatherer = Gatherer(
            cluster=cluster,
            reports=reports,
            server=settings.server,
            monitoring=settings.monitoring,
            freezes=(one.as_freeze() for one in settings.freezes),
        )
        delivery = Delivery(
            with_senders(settings.notifications),
            wake=queue.add,
            metrics=metrics.notifications,
            clock=lambda: datetime.now(UTC),
        )
        stack.push_async_callback(delivery.close)
        records = RecordKeeper(cluster, metrics.records, lambda: datetime.now(UTC))
        checks: CheckCaller[Key] = CheckCaller(
            CheckClient(settings.checks),
            enqueue=queue.add,
            clock=lambda: datetime.now(UTC),
            record=metrics.checks.record,
        )
        metrics.checks.expose(settings.checks)
        stack.push_async_callback(checks.close)
        readings: Readings[Key] = Readings(StageReader(prometheus), enqueue=queue.add, clock=lambda: datetime.now(UTC))
        stack.push_async_callback(readings.close)
        reconciler = Reconciler(
            cluster=cluster,
            gatherer=gatherer,
            applier=Applier(cluster),
            delivery=delivery,
            metrics=metrics,
            records=records,
            checks=checks,
            readings=readings,
            clock=lambda: datetime.now(UTC),
        )
        heartbeat = Heartbeat(cluster, settings.namespaces, clock=time.monotonic)
        runner = await serve(metrics, host=settings.host, port=settings.port, problem=heartbeat.problem)
        stack.push_async_callback(runner.cleanup)

        async def handle(key: Key) -> Result:
            with metrics.seconds.time():
                result = await reconciler.reconcile(key)
            metrics.reconciles.labels(result.outcome).inc()
            return result

        def record_failure(key: Key, error: Exception) -> None:
            metrics.record_failure()
            metrics.resources.record_error(key.namespace, key.name, cause_of(error))

        parts = {"heartbeat": heartbeat.run, "delivery": delivery.run, "records": records.run}
        worker = partial(work, queue, handle, deadline=RECONCILE_TIMEOUT, on_failure=record_failure)
        parts |= {f"worker {number}": worker for number in range(settings.workers)}
        tasks = [asyncio.create_task(keep_running(name, run)) for name, run in parts.items()]
        stack.push_async_callback(_cancel, tasks)
        where = ", ".join(settings.namespaces) or "all namespaces"
        log.info("watching %s; health and metrics on %s:%d", where, settings.host, settings.port)
        await watch(
            queue.add,
            record_watch_event=metrics.record_watch_event,
            namespaces=settings.namespaces,
            heartbeat=heartbeat,
        )


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    main()
