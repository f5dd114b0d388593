"""What only the leader does: it works on the queue, writes, notifies, records, and asks pods and checks.

All of it is made for each term, so that nothing that is remembered outlives a loss of the Lease.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from serin_operator.apply import Applier
from serin_operator.background import keep_running
from serin_operator.busy import retry_after
from serin_operator.cached_cluster import CachedCluster, DirectCluster
from serin_operator.changes import Changes
from serin_operator.check_caller import CheckCaller
from serin_operator.check_client import CheckClient
from serin_operator.gather import Gatherer
from serin_operator.input_readings import InputReadings
from serin_operator.kubernetes_client import KubernetesClient
from serin_operator.metrics import OperatorMetrics
from serin_operator.notifications.delivery import Delivery
from serin_operator.notifications.senders import with_senders
from serin_operator.object_ref import Key
from serin_operator.own_pod import own_namespace
from serin_operator.parsing import Parser
from serin_operator.pod_client import PodClient
from serin_operator.pod_reports import PodReports
from serin_operator.prometheus_client import PrometheusClient
from serin_operator.readings import Readings
from serin_operator.reconcile import Reconciler
from serin_operator.records import RecordKeeper
from serin_operator.resource_metrics import cause_of
from serin_operator.routing_keys import RoutingKeys, RoutingKeySecret
from serin_operator.settings import Settings
from serin_operator.stage_reader import StageReader
from serin_operator.work_queue import Result, WorkQueue, work

RECONCILE_TIMEOUT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a leader works with, and what outlives its term."""

    settings: Settings
    cluster: KubernetesClient
    metrics: OperatorMetrics
    changes: Changes
    clock: Callable[[], datetime]
    """Returns the time in UTC."""
    is_leader: Callable[[], bool]


async def lead(around: Surroundings) -> None:
    """Work on every known resource, and on those that the watch queues, until cancelled."""
    settings, cluster, metrics, changes = around.settings, around.cluster, around.metrics, around.changes
    queue: WorkQueue[Key] = WorkQueue(clock=time.monotonic)
    direct = DirectCluster(cluster, changes.objects)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(metrics.resources.clear)
        pods = PodClient()
        stack.push_async_callback(pods.close)
        reports: PodReports[Key] = PodReports(pods, enqueue=queue.add)
        stack.push_async_callback(reports.close)
        prometheus = PrometheusClient(settings.prometheus, threads=settings.workers, record=metrics.record_query)
        stack.callback(prometheus.close)
        keys = RoutingKeys()
        key_secret = RoutingKeySecret(cluster, keys, namespace=own_namespace())
        parser = Parser()
        gatherer = Gatherer(
            cluster=direct,
            reports=reports,
            keys=keys,
            server=settings.server,
            monitoring=settings.monitoring,
            freezes=(one.as_freeze() for one in settings.freezes),
            parser=parser,
        )
        delivery = Delivery(
            with_senders(settings.notifications),
            wake=queue.add,
            metrics=metrics.notifications,
            clock=around.clock,
            may_send=around.is_leader,
        )
        stack.push_async_callback(delivery.close)
        records = RecordKeeper(cluster, metrics.records, around.clock)
        checks: CheckCaller[Key] = CheckCaller(
            CheckClient(settings.checks),
            enqueue=queue.add,
            clock=around.clock,
            record=metrics.checks.record,
        )
        stack.push_async_callback(checks.close)
        readings: Readings[Key] = Readings(StageReader(prometheus), enqueue=queue.add, clock=around.clock)
        stack.push_async_callback(readings.close)
        queue.on_due = readings.ahead
        inputs: InputReadings[Key] = InputReadings(prometheus, enqueue=queue.add, clock=time.monotonic)
        stack.push_async_callback(inputs.close)
        reconciler = Reconciler(
            cluster=direct,
            gatherer=gatherer,
            applier=Applier(direct, keep_status=parser.keep_status),
            delivery=delivery,
            metrics=metrics,
            records=records,
            checks=checks,
            readings=readings,
            inputs=inputs,
            clock=around.clock,
            cache=CachedCluster(cluster, changes.objects),
            selector=changes.resources.selector,
        )

        async def handle(key: Key) -> Result:
            await key_secret.is_known.wait()
            with metrics.seconds.time():
                result = await reconciler.reconcile(key)
            metrics.reconciles.labels(result.outcome).inc()
            return result

        def record_failure(key: Key, error: Exception) -> None:
            metrics.record_failure()
            metrics.resources.record_error(key.namespace, key.name, cause_of(error))

        parts = {"delivery": delivery.run, "records": records.run, "routing key": key_secret.run}
        worker = partial(
            work, queue, handle, deadline=RECONCILE_TIMEOUT, on_failure=record_failure, retry_after=retry_after
        )
        parts |= {f"worker {number}": worker for number in range(settings.workers)}
        async with asyncio.TaskGroup() as tasks:
            for name, run in parts.items():
                tasks.create_task(keep_running(name, run))
            with changes.resources.queued_in(queue):
                await asyncio.Event().wait()
