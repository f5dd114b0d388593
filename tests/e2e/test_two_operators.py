"""Two operators with the rights of their Role: a rolling update under a rollout leaves no gap, and loses nothing."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from e2e.conftest import canary, every_stage_began_once

from serin_demo.installation import OPERATOR_NAMESPACE

pytestmark = pytest.mark.cluster
PLACE = ("-n", OPERATOR_NAMESPACE)
DEPLOYMENT = ("deployment/serin-operator", *PLACE)
GAP = 2.0 + 8.0
"""Seconds until a change is decided about: those of a hand-over, and those that a busy machine may add."""


def scale(installed, number):
    installed.kubectl("scale", *DEPLOYMENT, f"--replicas={number}")
    installed.kubectl("rollout", "status", *DEPLOYMENT, "--timeout=60s")


@contextmanager
def two_operators(installed):
    scale(installed, 2)
    try:
        yield
    finally:
        scale(installed, 1)


def holder(installed):
    lease = json.loads(installed.kubectl("get", "lease", "serin-operator-leader", *PLACE, "-o", "json"))
    return lease["spec"]["holderIdentity"]


def pods(installed):
    found = json.loads(installed.kubectl("get", "pods", *PLACE, "-o", "json"))
    return {one["metadata"]["name"] for one in found["items"] if "deletionTimestamp" not in one["metadata"]}


def decide(rollout, number):
    """Change the spec, and return the seconds until an operator has decided about it."""
    started = time.monotonic()
    rollout.kubectl("patch", "sgm", rollout.name, "--type=merge", "-p", json.dumps({"spec": {"historyLimit": number}}))
    rollout.wait(lambda _: is_decided(rollout.get()), what="a decision about the change")
    return time.monotonic() - started


def is_decided(found):
    return found["status"]["observedGeneration"] == found["metadata"]["generation"]


def test_a_rolling_update_of_two_operators_under_a_rollout(rollout, registry, installed):
    with two_operators(installed):
        before = pods(installed)
        assert len(before) == 2
        assert holder(installed) in before
        rollout.apply(registry.good, canary=canary("6s", 10, 50, 100))
        traffic = rollout.send(registry.traffic)
        rollout.wait_for_stage(0)

        installed.kubectl("rollout", "restart", *DEPLOYMENT)
        took = []
        with ThreadPoolExecutor() as threads:
            updating = threads.submit(installed.kubectl, "rollout", "status", *DEPLOYMENT, "--timeout=90s")
            while not updating.done():
                took.append(decide(rollout, 20 + len(took) % 5))
            updating.result()
        took.append(decide(rollout, 30))

        after = pods(installed)
        assert not after & before
        assert holder(installed) in after
        assert max(took) < GAP, took
        history = rollout.wait_for_phase("Promoted")["history"]
        every_stage_began_once(history, percents=[0, 10, 50, 100], soak=6)
        assert traffic.failed == 0
        assert not re.search("Traceback|not given back", installed.kubectl("logs", *DEPLOYMENT))
