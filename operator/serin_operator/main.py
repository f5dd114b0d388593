"""The operator's process: reads its configuration, joins the parts, ends cleanly."""

import argparse
import asyncio
import contextlib
import json
import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from serin_operator.apply import Applier
from serin_operator.gather import Gatherer
from serin_operator.kubernetes_client import KubernetesApi, connect
from serin_operator.metrics import Telemetry, serve
from serin_operator.pod_client import PodHttp
from serin_operator.prometheus_client import PrometheusApi
from serin_operator.reconcile import Key, Reconciler
from serin_operator.settings import Settings, SettingsError
from serin_operator.watch import watch
from serin_operator.work_queue import Result, WorkQueue, work

log = logging.getLogger("serin_operator")
DEADLINE = 60.0
"""The longest that one reconcile may take, in seconds."""
DEFAULT_CONFIG = Path("/etc/serin/operator/config.yaml")


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        line = {"time": at, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
        extra = {key: record.__dict__[key] for key in ("generation", "stage", "revision") if key in record.__dict__}
        return json.dumps(line | extra)


def main() -> None:
    """Run until told to end. Exit status 0 after SIGTERM, 1 when something failed, 2 for a bad configuration."""
    parser = argparse.ArgumentParser(prog="serin-operator", description="The Serin operator.")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="configuration file (%(default)s)")
    arguments = parser.parse_args()
    try:
        settings = Settings.load(arguments.config)
    except SettingsError as error:
        print(f"serin-operator: {error}", file=sys.stderr)  # noqa: T201 - no logging without a configuration
        sys.exit(2)
    _set_up_logging(is_json=settings.json_logs)
    with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
        asyncio.run(run(settings))


def _set_up_logging(*, is_json: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s %(message)s")
    handler.setFormatter(_JsonFormatter() if is_json else text)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # kopf tells of every event that it hands on; a steady state is silent.
    logging.getLogger("kopf").setLevel(logging.WARNING)


async def run(settings: Settings) -> None:
    """Join the parts and work until cancelled, or until the watch ends."""
    queue: WorkQueue[Key] = WorkQueue(clock=time.monotonic)
    telemetry = Telemetry(queue.depth)
    ready = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        cluster = KubernetesApi(await connect())
        stack.push_async_callback(cluster.close)
        pods = PodHttp()
        stack.push_async_callback(pods.close)
        metrics = PrometheusApi(settings.prometheus, threads=settings.workers)
        stack.callback(metrics.close)
        gatherer = Gatherer(cluster=cluster, metrics=metrics, pods=pods, server=settings.server)
        reconciler = Reconciler(
            cluster=cluster,
            gatherer=gatherer,
            applier=Applier(cluster),
            telemetry=telemetry,
            clock=lambda: datetime.now(UTC),
        )
        runner = await serve(telemetry, host=settings.host, port=settings.port, is_ready=ready.is_set)
        stack.push_async_callback(runner.cleanup)

        async def handle(key: Key) -> Result:
            with telemetry.seconds.time():
                result = await reconciler.reconcile(key)
            telemetry.reconciles.labels(result.outcome).inc()
            after = None if result.requeue_after is None else result.requeue_after.total_seconds()
            return Result(after, is_settled=result.is_settled)

        # Workers are made before kopf starts: it takes tasks that appear later for its own, and waits for them.
        workers = [
            asyncio.create_task(work(queue, handle, deadline=DEADLINE, failed=telemetry.failed))
            for _ in range(settings.workers)
        ]
        stack.push_async_callback(_end, workers)
        where = ", ".join(settings.namespaces) or "all namespaces"
        log.info("watching %s; health and metrics on %s:%d", where, settings.host, settings.port)
        await watch(
            queue.add, record_watch_event=telemetry.record_watch_event, namespaces=settings.namespaces, ready=ready
        )


async def _end(workers: list[asyncio.Task[None]]) -> None:
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)


if __name__ == "__main__":
    main()
