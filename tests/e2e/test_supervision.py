"""A candidate without an operator, on a real API server with pods, Prometheus and traffic."""

import time
from contextlib import contextmanager

import httpx
import pytest
from e2e.conftest import canary
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.cluster
OPERATOR = ("deployment", "serin-operator", "-n", "serin-system")


@contextmanager
def no_operator(installed):
    replicas = installed.kubectl("get", *OPERATOR, "-o", "jsonpath={.spec.replicas}")
    installed.kubectl("scale", *OPERATOR, "--replicas=0")
    try:
        yield
    finally:
        installed.kubectl("scale", *OPERATOR, f"--replicas={replicas}")


def unsupervised(rollout):
    """Return what each pod says of itself, by metric and by status; asking is no supervision."""
    found = set()
    for address in rollout.addresses():
        text = httpx.get(f"http://{address}/metrics").text
        samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
        by_metric = next(one.value for one in samples if one.name == "serin_unsupervised")
        found.add((by_metric == 1, httpx.get(f"http://{address}/ml/status").json()["unsupervised"]))
    return found


def until(holds, *, seconds):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not come within {seconds} s"
        time.sleep(0.5)


def test_without_an_operator_the_rules_answer_after_the_timeout_and_the_candidate_once_it_is_back(
    rollout, registry, installed, local
):
    traffic = rollout.send(registry.traffic)
    steps = canary("1s", 50, 100)
    steps["steps"][0]["soak"] = "1h"
    rollout.apply(registry.good, canary=steps | {"supervisionTimeout": "1m"})
    rollout.wait_for_stage(50, seconds=120)
    share = rollout.wait(lambda status: (status.get("actualShare") or {}).get("users"), what="the actual share")
    assert 20 < share["actualShare"]["users"] < 80
    assert " % of users)" in rollout.serin("status").partition("served")[2]

    soak = rollout.status["candidate"]["soakingSince"]
    with no_operator(installed):
        stopped = time.monotonic()
        until(lambda: unsupervised(rollout) == {(True, True)}, seconds=100)
        assert time.monotonic() - stopped > 50, "a pod fell back before its time"
        time.sleep(1)  # answers that were on their way
        before = traffic.sources["model"], traffic.sent
        until(lambda: traffic.sent > before[1] + 500, seconds=30)
        assert traffic.sources["model"] == before[0]
        assert traffic.failed == 0

    rollout.wait(
        lambda status: any(entry["event"] == "SupervisionLapsed" for entry in status["history"]),
        what="the Event SupervisionLapsed",
        seconds=90,
    )
    until(lambda: unsupervised(rollout) == {(False, False)}, seconds=30)
    rollout.keeps_serving_by_the_model(transactions=500)
    assert "SupervisionLapsed" in rollout.events()
    status = rollout.status
    assert status["candidate"]["soakingSince"] > soak
    assert status["supervision"]["pods"] == len(rollout.addresses())
    assert "answered without the candidate" in rollout.condition()["message"]
