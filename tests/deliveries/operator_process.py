"""An operator that tests kill: the real reconciler and the real delivery, with a Kubernetes that is kept in a file.

    python -m deliveries.operator_process STATE URL STEPS

It changes `spec.runID` again and again, so that there are transitions; each change is kept in the file too.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from memory_cluster import KEY, MemoryCluster, reconciler

from serin_core.api.status import Status
from serin_core.contract import names
from serin_operator.metrics import OperatorMetrics
from serin_operator.notifications.delivery import Delivery
from serin_operator.notifications.senders import with_senders
from serin_operator.notifications.settings import Destination
from serin_operator.work_queue import WorkQueue, work

MAX_STEPS_AHEAD = 8
OBJECT = (names.KIND, KEY.namespace, KEY.name)


class FileCluster(MemoryCluster):
    """A MemoryCluster whose every write is on disk before it returns."""

    def __init__(self, file):
        self.file = None
        super().__init__()
        self.file = file
        if file.exists():
            self.objects, self.version = read(file)

    def put(self, found):
        live = super().put(found)
        if self.file is not None:
            new = self.file.with_suffix(".new")
            new.write_text(json.dumps([self.version, *self.objects.values()]))
            new.replace(self.file)
        return live


def read(file):
    """Return the objects of a file, by kind, namespace and name, and the version."""
    version, *found = json.loads(file.read_text())
    return {(one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]): one for one in found}, version


def destination(url):
    return Destination.model_validate({"cloudEvents": {"url": url}, "timeoutSeconds": 1})


async def main(file, url, steps):
    cluster, queue = FileCluster(file), WorkQueue(clock=time.monotonic)
    metrics = OperatorMetrics(queue.depth)
    clock = lambda: datetime.now(UTC)  # noqa: E731 - passed on, as in main
    delivery = Delivery(
        with_senders({"receiver": destination(url)}),
        wake=queue.add,
        metrics=metrics.notifications,
        clock=clock,
        first_retry=0.02,
    )
    passes = reconciler(cluster, metrics, clock=clock, delivery=delivery)
    tasks = [asyncio.create_task(delivery.run()), asyncio.create_task(work(queue, passes.reconcile, deadline=5))]
    queue.add(KEY)
    while True:
        live = cluster.objects[OBJECT]
        step = int(live["spec"]["runID"].rpartition("_")[2])
        status = Status.model_validate(live.get("status") or {})
        # A run that no pass has seen would make no transition.
        is_seen = status.observed_generation == live["metadata"]["generation"]
        if step < steps and is_seen and len(status.notifications.waiting) < MAX_STEPS_AHEAD:
            spec = {**live["spec"], "runID": f"run_aaaaaaaa_{step + 1}", "notifications": ["receiver"]}
            metadata = {**live["metadata"], "generation": step + 2}
            cluster.put({**live, "spec": spec, "metadata": metadata})
            queue.add(KEY)
        await asyncio.sleep(0.05)
        if failed := [task for task in tasks if task.done()]:
            failed[0].result()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
