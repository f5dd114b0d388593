"""Requests of users while Prometheus accepts connections and never responds: nothing waits for it."""

import threading
import time
from contextlib import contextmanager

import pytest
from e2e.conftest import canary

pytestmark = pytest.mark.cluster


@contextmanager
def touching(rollout):
    """Touch the object every second, as other controllers do."""
    over = threading.Event()

    def touch():
        while not over.wait(1):
            rollout.kubectl("annotate", "sgm", rollout.name, f"touched={time.monotonic()}", "--overwrite")

    thread = threading.Thread(target=touch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_promote_and_abort_wait_for_no_query_also_while_the_object_is_touched(rollout, registry, local):
    rollout.apply(registry.good, canary=canary("1h", 10), analysis={"prometheus": "hanging", "interval": "1s"})
    rollout.wait_for_stage(0)
    rollout.serin("promote", "--reason", "no evidence will come")
    rollout.wait_for_stage(10, seconds=30)
    with touching(rollout):
        # Queries are under way, and passes have been repeated after a touch.
        time.sleep(3)
        rollout.serin("abort", "--reason", "second thoughts")
        # A query takes 60 s to fail, and an abort with its confirmation a second (make bench-aborts).
        status = rollout.wait_for_phase("RolledBack", seconds=30)
    assert [entry["event"] for entry in status["history"]][-2:] == ["StageStarted", "RolloutAborted"]
