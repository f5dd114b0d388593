"""Two operators with the rights of their Role: a rolling update leaves no gap in which nothing is decided."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from serin_demo.installation import OPERATOR_NAMESPACE

pytestmark = pytest.mark.cluster
DEPLOYMENT = ("deployment/serin-operator", "-n", OPERATOR_NAMESPACE)
GAP = 2.0 + 8.0
"""Seconds until a change is decided about: those of a hand-over, and those that a busy machine may add."""


def scale(installed, number):
    installed.kubectl("scale", *DEPLOYMENT, f"--replicas={number}")
    installed.kubectl("rollout", "status", *DEPLOYMENT, "--timeout=60s")


def holder(installed):
    return installed.kubectl(
        "get", "lease", "serin-operator", "-n", OPERATOR_NAMESPACE, "-o", "jsonpath={.spec.holderIdentity}"
    )


def pods(installed):
    found = json.loads(installed.kubectl("get", "pods", "-n", OPERATOR_NAMESPACE, "-o", "json"))
    return {one["metadata"]["name"] for one in found["items"] if "deletionTimestamp" not in one["metadata"]}


def decide(rollout, number):
    """Change the spec, and return the seconds until an operator has decided about it."""
    started = time.monotonic()
    rollout.kubectl("patch", "sgm", rollout.name, "--type=merge", "-p", json.dumps({"spec": {"historyLimit": number}}))
    while True:
        found = rollout.get()
        took = time.monotonic() - started
        if found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]:
            return took
        assert took < 60
        time.sleep(0.1)


def test_a_rolling_update_of_two_operators_leaves_no_gap(rollout, registry):
    installed = rollout.installed
    rollout.apply(registry.good)
    scale(installed, 2)
    try:
        before = pods(installed)
        assert len(before) == 2
        assert holder(installed) in before
        installed.kubectl("rollout", "restart", *DEPLOYMENT)
        took = []
        with ThreadPoolExecutor() as threads:
            updating = threads.submit(installed.kubectl, "rollout", "status", *DEPLOYMENT, "--timeout=90s")
            while not updating.done():
                took.append(decide(rollout, 5 + len(took) % 5))
            updating.result()
        took.append(decide(rollout, 11))
        after = pods(installed)
        assert not after & before
        assert holder(installed) in after
        assert max(took) < GAP, took
        log = installed.kubectl("logs", *DEPLOYMENT)
        assert not re.search("Traceback|not given back", log)
    finally:
        scale(installed, 1)
