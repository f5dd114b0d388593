"""Announcements to pods that take the routing from the operator itself (docs/contracts.md, rule 18)."""

import json

import pytest
from models.starting import has_percent, has_phase, new_world, one_pod

from serin_core.rollout.writes import AnnotatePod

KEY = "key"


def announced(decision):
    return {write.name for write in decision.writes if isinstance(write, AnnotatePod)}


def at_ten_percent():
    at = new_world()
    at.keys = (KEY,)
    at.settle(until=has_percent(10))
    return at


def passes(at, *, until):
    """Return the names of the pods that were annotated on the way."""
    found = set()
    while not until(at):
        found |= announced(at.whole_pass(at.operators[0]))
        at.kubelets()
        at.tick()
    return found


def test_on_the_way_up_no_pod_is_annotated():
    at = at_ten_percent()
    assert passes(at, until=has_phase("Promoted")) == set()
    at.assert_ended()


def test_without_pushes_each_pod_is_annotated_for_each_revision():
    at = new_world()
    at.settle(until=has_percent(10))
    assert passes(at, until=has_phase("Promoted")) == set(at.pods)


def test_a_withdrawal_is_announced_to_all_pods_in_the_pass_that_decides_it():
    at = at_ten_percent()
    at.verdict = "fail"
    decision = at.whole_pass(at.operators[0])
    assert decision.status.propagation.withdraws_run
    assert announced(decision) == set(at.pods)


@pytest.mark.parametrize("attribute", ["is_older", "is_cut_off"])
def test_a_pod_that_takes_no_push_is_annotated(attribute):
    at = at_ten_percent()
    other = one_pod(at)
    setattr(other, attribute, True)
    names = set()
    for _ in range(20):
        names |= announced(at.whole_pass(at.operators[0]))
        at.tick()
    assert names == {other.name}


def test_a_pod_that_took_a_push_and_does_not_serve_it_is_annotated_in_the_next_pass():
    at = at_ten_percent()
    stubborn = one_pod(at)
    stubborn.seen, stubborn.pushed, stubborn.annotated = 2**50, None, None
    for _ in range(20):
        names = announced(at.whole_pass(at.operators[0]))
        at.tick()
        if names:
            break
    assert names == {stubborn.name}


def test_after_an_operator_that_ended_between_status_and_routing_nothing_old_is_sent():
    at = at_ten_percent()
    one, two = at.operators
    at.verdict = "fail"
    at.gather(one)
    at.decide(one)
    at.write(one)
    at.crash(one)
    assert at.status.candidate.state == "RolledBack"
    sent = len(at.sent)
    decision = at.whole_pass(two)
    assert len(at.sent) == sent, "the routing that was read is not the one that status has decided"
    assert announced(decision) == set(at.pods)
    at.whole_pass(two)
    assert json.loads(at.sent[-1][0])["candidate"] is None
    assert at.status.propagation.confirmed
