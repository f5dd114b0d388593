"""Scenarios that need rule 11 of docs/contracts.md: no operator watches the candidate."""

from models.parts import Broken, spec
from models.starting import B, has_percent, has_phase

from serin_core.contract.routing import route

TIMEOUT = 60.0
STEPS = [{"percent": percent, "soak": "1s"} for percent in (10, 50, 100)]


def watched(run, **changes):
    return spec(run, canary={"shadowSoak": "1s", "supervisionTimeout": "1m", "steps": STEPS}, **changes)


def at_ten_percent(at):
    at.settle(until=has_phase("Promoted"))
    at.edit(watched(B))
    at.settle(rounds=3)
    at.verdict = "unsure"
    at.settle(until=has_percent(0))
    at.verdict = "pass"
    at.settle(until=has_percent(10))
    at.verdict = "unsure"
    assert has_percent(10)(at)


def shares(at):
    """What the pods serve of the candidate."""
    return {
        route(pod.document, loaded=pod.loaded, announced=pod.announced, unheard=pod.unheard(at.now)).percent
        for pod in at.pods.values()
        if pod.running and pod.document
    }


def operator_that_never_comes_back(at):
    """11: after the timeout the candidate answers nobody; it does again once an operator asks."""
    at_ten_percent(at)
    at.tick(TIMEOUT - 1)
    at.check()
    assert shares(at) == {10}
    for seconds in (2, 3600):
        at.tick(seconds)
        at.check()
    assert shares(at) == {0.0}
    at.settle(rounds=3)
    assert shares(at) == {10}
    if [entry.event for entry in at.status.history].count("SupervisionLapsed") != 1:
        raise Broken("(e) the operator did not record that the pods had fallen back, or more than once")
    at.verdict = "pass"
    at.settle(until=has_phase("Promoted"))
    at.assert_ended()


def pods_that_restart_without_an_operator(at):
    """11: a restart of the container is no request of an operator."""
    at_ten_percent(at)
    for _ in range(4):
        at.tick(TIMEOUT / 3)
        for pod in list(at.pods.values()):
            at.restart(pod)
        at.kubelets()
    at.check()
    assert shares(at) == {0.0}
